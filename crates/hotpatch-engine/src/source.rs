//! Replacements that are given as source text, or as a diff of that of the target.

use pyo3::exceptions::{PyOSError, PySyntaxError, PySystemError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::compile::unused;
use crate::diff::{Diff, Source, is_diff};
use crate::error::{Error, describe};
use crate::guard;
use crate::raw::attributes::attributes_of;
use crate::raw::body::Body;
use crate::raw::function::Function;
use crate::site::Site;
use crate::trampoline;

/// Where a text is compiled: in the place of a function.
pub(crate) struct Place<'py> {
    /// The function, which tells who it is.
    pub(crate) function: Function<'py>,
    /// What it does without its patches.
    pub(crate) base: Body<'py>,
    /// It is inside of the target, which a decorator has made.
    is_inside: bool,
}

/// One `def` or `lambda`, parsed.
pub(crate) struct Definition<'py> {
    pub(crate) node: Bound<'py, PyAny>,
    pub(crate) text: String,
    /// The number of the first line of `text`.
    pub(crate) line: usize,
}

/// Fails if a text can never be a replacement.
pub(crate) fn check(text: &Bound<'_, PyString>) -> Result<(), Error> {
    let text = text.to_str()?;
    if is_diff(text) { Diff::parse(text).map(drop) } else { Ok(()) }
}

/// For a text as a replacement of something else than a Python function.
pub(crate) fn not_python(target: &Bound<'_, PyAny>) -> Error {
    Error::refused(target, "it is no Python function, and has no source text", "pass a function")
}

/// Whether a replacement is a diff.
pub(crate) fn is_patch(replacement: &Bound<'_, PyAny>) -> bool {
    let text = replacement.cast::<PyString>().ok();
    text.and_then(|text| text.to_str().ok()).is_some_and(is_diff)
}

impl<'py> Place<'py> {
    /// The place of `function`, or of the one that is wrapped by it (`functools.wraps`): that is the one
    /// with the source text. `base` is what `function` does without its patches.
    pub(crate) fn of(function: Function<'py>, base: Body<'py>) -> PyResult<Self> {
        const DEEPEST: usize = 64;
        let mut place = Self { function, base, is_inside: false };
        for _ in 0..DEEPEST {
            let attributes = attributes_of(place.function.as_any())?;
            let wrapped = attributes.get_item("__wrapped__")?;
            let Some(function) = wrapped.as_ref().and_then(Function::new) else {
                break;
            };
            let base = function.with_stack(|stack| stack.base(function.as_any().py()));
            let base = base.map_or_else(|| function.body(), Ok)?;
            place = Self { function, base, is_inside: true };
        }
        Ok(place)
    }

    pub(crate) fn code(&self) -> PyResult<Bound<'py, PyAny>> {
        let code = self.base.code().cloned();
        code.ok_or_else(|| PySystemError::new_err("a function without code"))
    }

    /// Makes what a source text defines.
    ///
    /// Decorators that are around the target too are not applied once more, and defaults that are written as
    /// before stay the same objects.
    pub(crate) fn define(
        &self,
        text: &Bound<'py, PyString>,
        is_hook: bool,
    ) -> Result<Bound<'py, PyAny>, Error> {
        let definition = self.parse(text.to_str()?, 1)?;
        if is_hook {
            return self.run(&definition, PyDict::new(text.py()));
        }
        let has_decorators = !decorators(&definition.node)?.is_empty();
        if !has_decorators && defaults(&definition.node)?.is_empty() {
            return self.redefine(&definition, None);
        }
        let old = self.source_of(&self.code()?).and_then(|(text, line)| self.parse(&text, line));
        match old {
            Err(error) if has_decorators => Err(error),
            old => self.redefine(&definition, old.ok().as_ref()),
        }
    }

    /// Makes what the target does that does what `below` says, with a diff applied to its source text.
    pub(crate) fn patched(
        &self,
        diff: &Bound<'py, PyString>,
        below: &Body<'py>,
    ) -> Result<Bound<'py, PyAny>, Error> {
        let code = if self.is_inside { Some(self.code()?) } else { trampoline::innermost(below)? };
        let code = code.ok_or_else(|| self.without_source())?;
        let (text, line) = self.source_of(&code)?;
        let old = self.parse(&text, line)?;
        self.check_source(&code, &old)?;
        let source = self.in_its_file(&code, text, line)?;
        let text = Diff::parse(diff.to_str()?)?.apply(&source).map_err(|why| {
            Error::patch(format!(
                "the diff does not fit the source text of {}: {why}; look at what it does now, and make \
                 the diff of that",
                describe(self.function.as_any())
            ))
        })?;
        self.redefine(&self.parse(&text, line)?, Some(&old))
    }

    /// Fails unless a definition is that of `code`.
    fn check_source(&self, code: &Bound<'py, PyAny>, own: &Definition<'py>) -> Result<(), Error> {
        // Most functions are compiled alone as they are in their file, and that is quick.
        let made = self.redefine(&self.parse(&own.text, own.line)?, Some(own));
        if let Ok(made) = made
            && let Some(made) = Function::new(&made).and_then(|made| made.code())
            && guard::digest(&made)? == guard::digest(code)?
        {
            return Ok(());
        }
        guard::check_source(self.function.as_any(), code)
    }

    /// What stands above and below the target in its file. `text`, that of `code`, may have taken its place.
    fn in_its_file(
        &self,
        code: &Bound<'py, PyAny>,
        text: String,
        line: usize,
    ) -> Result<Source, Error> {
        let base = self.code()?;
        let (count, line) = if code.is(&base) {
            (text.lines().count(), line)
        } else {
            self.source_of(&base).map(|(own, line)| (own.lines().count(), line))?
        };
        let file = base.getattr("co_filename")?;
        let lines = base.py().import("linecache")?.call_method1("getlines", (file,))?;
        let lines: Vec<String> = lines.extract()?;
        let part = |lines: Option<&[String]>| lines.unwrap_or_default().concat();
        let above = part(lines.get(..line - 1));
        Ok(Source { above, text, below: part(lines.get(line - 1 + count..)) })
    }

    /// Makes what a new definition of the target defines.
    fn redefine(
        &self,
        new: &Definition<'py>,
        old: Option<&Definition<'py>>,
    ) -> Result<Bound<'py, PyAny>, Error> {
        let given = PyDict::new(new.node.py());
        if let Some(old) = old {
            if !self.is_inside {
                self.leave_out(&new.node, &decorators(&old.node)?)?;
            }
            self.keep_defaults(new, old, &given)?;
        }
        self.run(new, given)
    }

    /// The source text of a code object, and the number of its first line.
    fn source_of(&self, code: &Bound<'py, PyAny>) -> Result<(String, usize), Error> {
        let py = code.py();
        match py.import("inspect")?.call_method1("getsource", (code,)) {
            Ok(source) => Ok((source.extract()?, code.getattr("co_firstlineno")?.extract()?)),
            Err(error) if error.is_instance_of::<PyOSError>(py) => Err(self.without_source()),
            Err(error) => Err(error.into()),
        }
    }

    fn without_source(&self) -> Error {
        Error::patch(format!(
            "the source text of {} is not to be found, and it is needed for a diff and for decorators; \
             pass a function, or a source text without decorators",
            describe(self.function.as_any())
        ))
    }

    /// For a text that is no Python. There are so many lines more above the text.
    pub(crate) fn no_python(&self, error: &PyErr, above: isize) -> Error {
        let value = error.value(self.function.as_any().py());
        let attribute = |name: &str| value.getattr(name).ok();
        let message = attribute("msg").map_or_else(String::new, |text| text.to_string());
        let line: Option<isize> = attribute("lineno").and_then(|line| line.extract().ok());
        let line = line.unwrap_or_default() - above;
        self.refused(&format!("it is no Python ({message} in line {line})"))
    }

    fn refused(&self, why: &str) -> Error {
        Error::argument(format!(
            "cannot replace {} by this source text: {why}; write one def, as it would stand in its place",
            describe(self.function.as_any())
        ))
    }

    /// Finds the one definition in a text, which may be indented.
    fn parse(&self, text: &str, line: usize) -> Result<Definition<'py>, Error> {
        let py = self.function.as_any().py();
        let ast = py.import("ast")?;
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let is_indented = first.starts_with([' ', '\t']);
        // Empty lines are much quicker than `increment_lineno`.
        let above = "\n".repeat(line.saturating_sub(1 + usize::from(is_indented)));
        let head = if is_indented { "if True:\n" } else { "" };
        let offset = isize::from(is_indented && line == 1);
        let tree = match ast.call_method1("parse", (format!("{above}{head}{text}"),)) {
            Err(error) if error.is_instance_of::<PySyntaxError>(py) => {
                return Err(self.no_python(&error, offset + line.cast_signed() - 1));
            }
            outcome => outcome?,
        };
        if offset > 0 {
            ast.call_method1("increment_lineno", (&tree, -offset))?;
        }
        let mut statements = tree.getattr("body")?;
        if is_indented {
            statements = statements.get_item(0)?.getattr("body")?;
        }
        let is_a = |node: &Bound<'py, PyAny>, class: &str| node.is_instance(&ast.getattr(class)?);
        if statements.len()? != 1 {
            return Err(self.refused("it has another number of statements"));
        }
        let mut node = statements.get_item(0)?;
        if is_a(&node, "Expr")? {
            node = node.getattr("value")?;
        }
        let is_definition = is_a(&node, "FunctionDef")? || is_a(&node, "AsyncFunctionDef")?;
        if !is_definition && !is_a(&node, "Lambda")? {
            return Err(self.refused("it is no def"));
        }
        Ok(Definition { node, text: text.to_owned(), line })
    }

    /// Takes the decorators that are around the target already off a definition.
    fn leave_out(&self, node: &Bound<'py, PyAny>, known: &[String]) -> Result<(), Error> {
        let found = decorators(node)?;
        let is_known = |it: &String| known.contains(it);
        let count = found.iter().take_while(|it| is_known(it)).count();
        if found[count..].iter().any(is_known) {
            return Err(self.refused(
                "it has a new decorator above one that is around the target, inside of which it goes",
            ));
        }
        if count > 0 {
            let list =
                node.getattr("decorator_list")?.cast_into::<PyList>().map_err(PyErr::from)?;
            list.del_slice(0, count)?;
        }
        Ok(())
    }

    /// Makes defaults that are written as before stay what they are. Their values are put into `given`.
    fn keep_defaults(
        &self,
        new: &Definition<'py>,
        old: &Definition<'py>,
        given: &Bound<'py, PyDict>,
    ) -> PyResult<()> {
        let ast = new.node.py().import("ast")?;
        let values = self.defaults()?;
        let old_defaults = defaults(&old.node)?;
        for (index, (name, list, place)) in defaults(&new.node)?.into_iter().enumerate() {
            let node = list.get_item(place)?;
            let written = ast.call_method1("dump", (&node,))?;
            let Some((_, old_list, old_place)) = old_defaults.iter().find(|old| old.0 == name)
            else {
                continue;
            };
            let was_written = ast.call_method1("dump", (old_list.get_item(*old_place)?,))?;
            if let Some(value) = values.get_item(&name)?
                && written.eq(was_written)?
            {
                let key = unused(&format!("default_{index}"), &new.text);
                let load = ast.getattr("Load")?.call0()?;
                let reference = ast.getattr("Name")?.call1((&key, load))?;
                list.set_item(place, ast.call_method1("copy_location", (reference, node))?)?;
                given.set_item(key, value)?;
            }
        }
        Ok(())
    }

    /// The defaults that the target has, by parameter.
    fn defaults(&self) -> PyResult<Bound<'py, PyDict>> {
        let code = self.code()?;
        let values = PyDict::new(code.py());
        let count: usize = code.getattr("co_argcount")?.extract()?;
        let names: Vec<String> = code.getattr("co_varnames")?.extract()?;
        if let Some(defaults) = self.base.defaults() {
            let first = count.saturating_sub(defaults.len());
            for (name, value) in names.iter().take(count).skip(first).zip(defaults) {
                values.set_item(name, value)?;
            }
        }
        if let Some(defaults) = self.base.keyword_defaults() {
            values.update(defaults.as_mapping())?;
        }
        Ok(values)
    }
}

/// The parameters of a definition that have a default: their names, and where the nodes of those are.
fn defaults<'py>(node: &Bound<'py, PyAny>) -> PyResult<Vec<(String, Bound<'py, PyList>, usize)>> {
    let arguments = node.getattr("args")?;
    let list = |name: &str| PyResult::Ok(arguments.getattr(name)?.cast_into::<PyList>()?);
    let name = |node: Bound<'py, PyAny>| node.getattr("arg")?.extract::<String>();
    let mut found = Vec::new();
    let values = list("defaults")?;
    let positional: Vec<_> = list("posonlyargs")?.iter().chain(list("args")?.iter()).collect();
    let first = positional.len() - values.len();
    for (index, parameter) in positional.into_iter().skip(first).enumerate() {
        found.push((name(parameter)?, values.clone(), index));
    }
    let values = list("kw_defaults")?;
    for (index, parameter) in list("kwonlyargs")?.iter().enumerate() {
        if !values.get_item(index)?.is_none() {
            found.push((name(parameter)?, values.clone(), index));
        }
    }
    Ok(found)
}

/// The decorators of a definition, each as the text of its tree.
fn decorators(node: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let ast = node.py().import("ast")?;
    match node.getattr_opt("decorator_list")? {
        Some(list) => {
            list.try_iter()?.map(|it| ast.call_method1("dump", (it?,))?.extract()).collect()
        }
        None => Ok(Vec::new()),
    }
}
