//! What `hotpatch_reload` finds, for Python.

use std::collections::HashMap;

use hotpatch_reload::{Extent, Kind, Placed};
use pyo3::exceptions::PySyntaxError;
use pyo3::prelude::*;

/// The statements of a source text. Raises `SyntaxError` for what is not Python.
#[pyclass(frozen, module = "hotpatch._native")]
pub(crate) struct Outline(hotpatch_reload::Outline);

#[pymethods]
impl Outline {
    #[new]
    #[pyo3(signature = (text, /))]
    fn new(py: Python<'_>, text: &str) -> PyResult<Self> {
        let outline = py.detach(|| hotpatch_reload::Outline::of(text));
        Ok(Self(outline.map_err(|error| PySyntaxError::new_err(error.to_string()))?))
    }

    /// The source text.
    #[getter]
    fn text(&self) -> &str {
        self.0.text()
    }

    /// What is imported into the scope of the module: names of modules, each with the names that are
    /// taken from it and what they are called here.
    #[getter]
    fn imports(&self) -> Vec<(&str, Vec<(String, String)>)> {
        let found = self.0.imports().into_iter();
        found.map(|it| (it.module.as_str(), it.names.clone())).collect()
    }

    /// What became of the statements of this text in another, in the order of that.
    #[pyo3(signature = (new, /))]
    fn steps(this: &Bound<'_, Self>, new: &Bound<'_, Self>) -> PyResult<Vec<Py<Step>>> {
        let (py, before, after) = (this.py(), &this.get().0, &new.get().0);
        let found = py.detach(|| hotpatch_reload::steps(before, after));
        found.iter().map(|step| Step::of(step, this, new)).collect()
    }
}

/// What became of one statement.
#[pyclass(frozen, get_all, module = "hotpatch._native")]
pub(crate) struct Step {
    /// "same", "moved", "rewritten", "edited", "renamed", "added" or "removed".
    fate: &'static str,
    /// The statement as it was, unless it was added.
    old: Option<Py<Statement>>,
    /// The statement as it is, unless it was removed.
    new: Option<Py<Statement>>,
    /// What became of the statements in it, if it is a class that was there before.
    inner: Vec<Py<Step>>,
}

impl Step {
    fn of(
        step: &hotpatch_reload::Step<'_>,
        old: &Bound<'_, Outline>,
        new: &Bound<'_, Outline>,
    ) -> PyResult<Py<Self>> {
        let py = old.py();
        let statement = |placed: &Option<Placed<'_>>, outline| {
            placed.as_ref().map(|it| Py::new(py, Statement::of(it, outline))).transpose()
        };
        let inner = step.inner.iter().map(|step| Self::of(step, old, new));
        let step = Self {
            fate: step.fate.name(),
            old: statement(&step.old, old)?,
            new: statement(&step.new, new)?,
            inner: inner.collect::<PyResult<_>>()?,
        };
        Py::new(py, step)
    }
}

/// A statement. Its parts are equal to those of another that mean the same.
#[pyclass(frozen, module = "hotpatch._native")]
pub(crate) struct Statement {
    /// "function", "class", "statement", or the keyword of a block, such as "if".
    #[pyo3(get)]
    kind: &'static str,
    /// Of a function or a class.
    #[pyo3(get)]
    name: Option<String>,
    /// The first line and the last, from 1. Decorators belong to a definition.
    #[pyo3(get)]
    lines: (usize, usize),
    /// The names that it binds in its scope.
    #[pyo3(get)]
    binds: Vec<String>,
    /// The values that it computes of other names: the name that is bound to it, or the parameter whose
    /// default it is, the expression, and the names that it reads.
    #[pyo3(get)]
    derived: Vec<(String, String, Vec<String>)>,
    /// Whether it is the doc string of the module or of a class.
    #[pyo3(get)]
    is_doc: bool,
    /// The blocks that it is in, from the outermost: the line, the keyword and the number of the suite.
    #[pyo3(get)]
    blocks: Vec<(usize, &'static str, usize)>,
    /// Whether it is in `if __name__ == "__main__":`, or is that.
    #[pyo3(get)]
    is_main: bool,
    /// The decorators of a function or a class.
    #[pyo3(get)]
    decorators: u64,
    /// The default of each parameter of a function that has one.
    #[pyo3(get)]
    defaults: HashMap<String, u64>,
    /// The annotations of a function, with its type parameters.
    #[pyo3(get)]
    annotations: u64,
    /// The bases, keywords and type parameters of a class.
    #[pyo3(get)]
    header: u64,
    /// The type parameters of a class as they are written, with their brackets.
    #[pyo3(get)]
    type_params: String,
    /// Where it is, and in which text. Most statements are never asked what they say.
    extent: Extent,
    outline: Py<Outline>,
}

#[pymethods]
impl Statement {
    /// The text, from the beginning of its first line.
    #[getter]
    fn text(&self) -> String {
        self.outline.get().0.lines_of(&self.extent)
    }

    /// The text of a function with empty lines in the place of decorators.
    #[getter]
    fn undecorated(&self) -> String {
        self.outline.get().0.undecorated(&self.extent)
    }

    /// The names that its module imports, of those that it may have attributes of.
    #[getter]
    fn imports(&self) -> Vec<&str> {
        self.outline.get().0.imports_in(&self.extent)
    }

    /// Whether its text contains another.
    #[pyo3(signature = (text, /))]
    fn contains(&self, text: &str) -> bool {
        self.outline.get().0.text()[self.extent.range.clone()].contains(text)
    }
}

impl Statement {
    fn of(placed: &Placed<'_>, within: &Bound<'_, Outline>) -> Self {
        let (statement, outline) = (placed.statement, &within.get().0);
        let is_main = |it: &hotpatch_reload::Statement| matches!(&it.kind, Kind::Block(block) if block.is_main);
        let blocks = placed.blocks.iter().filter_map(|(block, suite)| match &block.kind {
            Kind::Block(it) => Some((block.lines.0, it.keyword.name(), *suite)),
            _ => None,
        });
        let derived = statement.derived.iter().map(|it| {
            (it.name.clone(), outline.text()[it.range.clone()].to_owned(), it.reads.clone())
        });
        let mut this = Self {
            kind: "statement",
            name: None,
            lines: statement.lines,
            binds: statement.binds.clone(),
            derived: derived.collect(),
            is_doc: statement.is_doc,
            blocks: blocks.collect(),
            is_main: is_main(statement) || placed.blocks.iter().any(|(block, _)| is_main(block)),
            decorators: 0,
            defaults: HashMap::new(),
            annotations: 0,
            header: 0,
            type_params: String::new(),
            extent: statement.extent.clone(),
            outline: within.clone().unbind(),
        };
        match &statement.kind {
            Kind::Function(it) => {
                (this.kind, this.name) = ("function", Some(it.name.clone()));
                this.decorators = it.decorators.number();
                let defaults = it.defaults.iter();
                this.defaults = defaults.map(|(name, it)| (name.clone(), it.number())).collect();
                this.annotations = it.annotations.number();
            }
            Kind::Class(it) => {
                (this.kind, this.name) = ("class", Some(it.name.clone()));
                (this.decorators, this.header) = (it.decorators.number(), it.header.number());
                if let Some(range) = &it.type_params {
                    outline.text()[range.clone()].clone_into(&mut this.type_params);
                }
            }
            Kind::Block(it) => this.kind = it.keyword.name(),
            Kind::Simple => {}
        }
        this
    }
}
