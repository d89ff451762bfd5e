//! Compiling a `def` as if it had stood where a function was defined.
//!
//! It is compiled within the definition of a class of the same name, which gives it private names and a
//! cell for `super()`, within a function that has the free variables of the target. That class is never
//! made: its body runs in a copy of the namespace of the real one, and only for the `def`.

use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::exceptions::{PySyntaxError, PySystemError};
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict, PyString, PyTuple, PyTupleMethods, PyType};

use crate::class_cell;
use crate::error::Error;
use crate::kind::CO_ITERABLE_COROUTINE;
use crate::raw::code::flags;
use crate::site::Site;
use crate::source::{Definition, Place};
use crate::trampoline;

// Include/cpython/code.h, the same in CPython 3.10 to 3.15.
const CO_NESTED: u32 = 0x10;
const CO_GENERATOR: u32 = 0x20;
/// Since 3.14; no other flag before.
const CO_METHOD: u32 = 0x800_0000;

/// What a code object has for standing in a function and in a class.
const OF_PLACE: u32 = CO_NESTED | CO_METHOD;

/// A name that stands nowhere in a text, so that nothing in it can mean it.
pub(crate) fn unused(name: &str, text: &str) -> String {
    let mut name = format!("_{name}");
    while text.contains(&name) {
        name.insert(0, '_');
    }
    name
}

impl<'py> Place<'py> {
    /// Runs a definition, in the body of a class that has the names `given` too.
    pub(crate) fn run(
        &self,
        definition: &Definition<'py>,
        given: Bound<'py, PyDict>,
    ) -> Result<Bound<'py, PyAny>, Error> {
        let Definition { node, text, line } = definition;
        let py = node.py();
        let qualified: String = self.function.as_any().getattr("__qualname__")?.extract()?;
        // Also functions that were put into a class later, if it makes a difference.
        let needs_class = class_in(&qualified).is_some()
            || ["super", "__"].iter().any(|mention| text.contains(mention));
        let class =
            if needs_class { class_cell::class_for(&self.function, &self.base)? } else { None };
        let class_name = match (class_in(&qualified), &class) {
            (Some(name), _) => name.to_owned(),
            (None, Some(class)) => class.name()?.to_string(),
            (None, None) => String::new(),
        };
        let code = self.code()?;
        let (free, cells) = self.free_variables(&code)?;
        let free_text = free.join(", ");
        let unused = |name: &str| unused(name, &format!("{text} {free_text}"));
        let [outer, maker, meta, made] = ["outer", "maker", "meta", "made"].map(unused);
        // CPython leaves out leading underscores when it makes a private name of it (`_Py_Mangle`).
        let inside = unused(&class_name);
        let template = format!(
            "def {outer}({free_text}):\n def {maker}({meta}):\n  class {inside}(metaclass={meta}):\n   \
             {made} = 0\n  return {inside}\n"
        );
        let tree = py.import("ast")?.call_method1("parse", (template,))?;
        let mut body = tree.clone();
        for _ in 0..3 {
            body = body.getattr("body")?.get_item(0)?;
        }
        body = body.getattr("body")?;
        let (mut key, mut name) = (made, "<lambda>".to_owned());
        if let Some(own_name) = node.getattr_opt("name")? {
            body.set_item(0, node)?;
            name = own_name.extract()?;
            let is_private = name.starts_with("__") && !name.ends_with("__");
            key = match inside.trim_start_matches('_') {
                class if is_private && !class.is_empty() => format!("_{class}{name}"),
                _ => name.clone(),
            };
        } else {
            body.get_item(0)?.setattr("value", node)?;
        }
        let compiled = self.compile(&tree, &self.show(text, *line, &qualified)?, &code)?;
        let renaming = Renaming {
            old: &format!("{outer}.<locals>.{maker}.<locals>.{inside}.{name}"),
            new: &qualified,
            name: &name,
            flags: flags(&code)?,
        };
        let maker = inner_code(&inner_code(&renaming.apply(&compiled)?)?)?;
        let names: Vec<String> = maker.getattr("co_freevars")?.extract()?;
        let index_of = |name| free.iter().position(|it| it == name);
        let closure: Vec<_> =
            names.iter().filter_map(index_of).map(|index| cells[index].clone()).collect();
        let arguments =
            (maker, self.base.globals(), py.None(), py.None(), PyTuple::new(py, closure)?);
        let function = py.import("types")?.getattr("FunctionType")?.call1(arguments)?;
        let class = class.map(Bound::unbind);
        let namespace = Bound::new(py, Namespace { class, given: given.unbind() })?;
        Ok(function.call1((namespace,))?.get_item(key)?)
    }

    /// Compiles a tree with the `from __future__` imports with which `code` was compiled.
    fn compile(
        &self,
        tree: &Bound<'py, PyAny>,
        file: &str,
        code: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>, Error> {
        let py = tree.py();
        let options = PyDict::new(py);
        options.set_item("dont_inherit", true)?;
        options.set_item("flags", future_flags(code)?)?;
        let compile = py.import("builtins")?.getattr("compile")?;
        match compile.call((tree, file, "exec"), Some(&options)) {
            Err(error) if error.is_instance_of::<PySyntaxError>(py) => {
                Err(self.no_python(&error, 0))
            }
            outcome => Ok(outcome?),
        }
    }

    /// The free variables of the target that a text can use, and their cells.
    fn free_variables(
        &self,
        code: &Bound<'py, PyAny>,
    ) -> PyResult<(Vec<String>, Vec<Bound<'py, PyAny>>)> {
        let names: Vec<String> = code.getattr("co_freevars")?.extract()?;
        let cells = self.base.closure().into_iter().flat_map(PyTupleMethods::iter);
        // Some that the compiler makes up itself (`.type_params`) cannot be written.
        let is_written = |name: &str| !name.starts_with('.');
        Ok(names.into_iter().zip(cells).filter(|(name, _)| is_written(name)).unzip())
    }

    /// Lets tracebacks, debuggers and `inspect` find the lines of a text, under a name that is its own.
    fn show(&self, text: &str, line: usize, qualified: &str) -> PyResult<String> {
        let mut hasher = DefaultHasher::new();
        (text, line).hash(&mut hasher);
        let module = self.function.as_any().getattr("__module__")?;
        // The same each time, so that applying a patch again and again does not fill the memory.
        let file = format!("<hotpatch {module}.{qualified} {:08x}>", hasher.finish() >> 32);
        trampoline::show_in_tracebacks(module.py(), &file, text, line)?;
        Ok(file)
    }
}

/// The class that the compiler takes for private names, by the qualified name of a function.
fn class_in(qualified: &str) -> Option<&str> {
    let parts: Vec<_> = qualified.split('.').collect();
    let class = parts.windows(2).rev().find(|pair| pair[0] != "<locals>" && pair[1] != "<locals>");
    class.map(|pair| pair[0])
}

/// The flags of `from __future__` with which a code object was compiled.
fn future_flags(code: &Bound<'_, PyAny>) -> PyResult<u32> {
    let future = code.py().import("__future__")?;
    let mut known = 0;
    for name in future.getattr("all_feature_names")?.try_iter()? {
        known |= future
            .getattr(name?.cast_into::<PyString>()?)?
            .getattr("compiler_flag")?
            .extract::<u32>()?;
    }
    Ok(flags(code)? & known)
}

/// The first code object among the constants of another.
fn inner_code<'py>(code: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    for constant in code.getattr("co_consts")?.try_iter()? {
        let constant = constant?;
        if constant.is_instance_of::<PyCode>() {
            return Ok(constant);
        }
    }
    Err(PySystemError::new_err("a function without a function in it"))
}

/// What a definition is called where it is compiled, and what it is called where the target is.
struct Renaming<'a> {
    old: &'a str,
    new: &'a str,
    /// The last part of `old`.
    name: &'a str,
    /// Those of the code of the target.
    flags: u32,
}

impl Renaming<'_> {
    fn rename(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(self.old)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| format!("{}{rest}", self.new))
    }

    /// The same code, and all that is in it, with other qualified names.
    ///
    /// Classes have theirs in a constant, functions too in CPython 3.10; since then it is a field.
    fn apply<'py>(&self, code: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = code.py();
        let mut constants = Vec::new();
        for constant in code.getattr("co_consts")?.try_iter()? {
            let constant = constant?;
            constants.push(if constant.is_instance_of::<PyCode>() {
                self.apply(&constant)?
            } else if let Ok(text) = constant.cast::<PyString>() {
                match text.to_str().ok().and_then(|text| self.rename(text)) {
                    Some(name) => PyString::new(py, &name).into_any(),
                    None => constant,
                }
            } else {
                constant
            });
        }
        let changes = PyDict::new(py);
        changes.set_item("co_consts", PyTuple::new(py, constants)?)?;
        let is_definition = match code.getattr_opt("co_qualname")? {
            Some(name) => {
                let name: String = name.extract()?;
                if let Some(name) = self.rename(&name) {
                    changes.set_item("co_qualname", name)?;
                }
                name == self.old
            }
            None => code.getattr("co_name")?.eq(self.name)?,
        };
        if is_definition {
            let own = flags(code)?;
            // What `types.coroutine` sets goes with it.
            let is_generator = own & CO_GENERATOR != 0;
            let kept = if is_generator { OF_PLACE | CO_ITERABLE_COROUTINE } else { OF_PLACE };
            changes.set_item("co_flags", own & !OF_PLACE | self.flags & kept)?;
        }
        code.call_method("replace", (), Some(&changes))
    }
}

/// In the place of a metaclass: gives the body of a class the namespace of one that exists, and makes none.
#[pyclass(frozen, module = "hotpatch._native")]
struct Namespace {
    class: Option<Py<PyType>>,
    given: Py<PyDict>,
}

#[pymethods]
impl Namespace {
    fn __prepare__<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        bases: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (py, _) = (name.py(), bases);
        let namespace = PyDict::new(py);
        if let Some(class) = &self.class {
            let class = class.bind(py);
            if let Some(parameters) = class.getattr_opt("__type_params__")? {
                for parameter in parameters.try_iter()? {
                    let parameter = parameter?;
                    namespace.set_item(parameter.getattr("__name__")?, parameter)?;
                }
            }
            namespace.update(class.getattr("__dict__")?.cast()?)?;
        }
        namespace.update(self.given.bind(py).as_mapping())?;
        Ok(namespace)
    }

    fn __call__<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        bases: &Bound<'py, PyAny>,
        namespace: Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (py, _) = (name.py(), bases);
        if let (Some(cell), Some(class)) = (namespace.get_item("__classcell__")?, &self.class) {
            cell.setattr("cell_contents", class.bind(py))?;
        }
        Ok(namespace)
    }
}
