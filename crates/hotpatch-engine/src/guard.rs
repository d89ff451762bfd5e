//! Refusing a patch of a function that is not what the patch was written for.

use std::fmt::Write;

use pyo3::exceptions::{PyOSError, PySyntaxError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCode, PyFrozenSet, PyString, PyTuple};

use crate::error::{Error, describe};
use crate::raw::function::Function;
use crate::site::{Site, Stored as _};

const DIGEST: &str = "sha256:";

/// What counts of a code object: not where it comes from, and not its lines.
const FIELDS: [&str; 9] = [
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_flags",
    "co_code",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
];

/// Fails unless `function`, without its patches, has the source text or the digest that is expected.
pub(crate) fn check(function: &Function<'_>, expect: &Bound<'_, PyString>) -> Result<(), Error> {
    let py = expect.py();
    let base = function.with_stack(|stack| stack.base.bind(py));
    let code = base.map_or_else(|| function.body(), Ok)?.code().cloned();
    let code = code.ok_or_else(|| PyTypeError::new_err("a function without code"))?;
    let target = describe(function.as_any());
    let text = expect.to_str()?;
    if text.starts_with(DIGEST) {
        let found = digest(&code)?;
        if found == text {
            return Ok(());
        }
        return Err(Error::patch(format!(
            "{target} is not what this patch was made for: its code has the digest {found}, and not \
             {text}; look at what it does now, and expect that"
        )));
    }
    let source = match py.import("inspect")?.call_method1("getsource", (&code,)) {
        Ok(source) => source,
        Err(error) if error.is_instance_of::<PyOSError>(py) => {
            return Err(Error::patch(format!(
                "{target} cannot be compared with the expected source text, since its own is not to be \
                 found; expect the digest of its code, {}",
                digest(&code)?
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let expected = match tree(expect) {
        Ok(expected) => expected,
        Err(error) if error.is_instance_of::<PySyntaxError>(py) => {
            return Err(Error::argument(format!(
                "the expected source text of {target} is no Python: {error}; copy all of its def"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    if tree(&source.cast_into().map_err(PyErr::from)?)?.eq(expected)? {
        return check_source(function.as_any(), &code);
    }
    Err(Error::patch(format!(
        "{target} is not what this patch was made for: its source text is another than the expected \
         one; look at what it does now, and expect that"
    )))
}

/// Fails unless the source text that `inspect` finds for `code` is what was compiled: somebody may have
/// edited the file, or installed another version, after it was imported.
pub(crate) fn check_source(
    target: &Bound<'_, PyAny>,
    code: &Bound<'_, PyAny>,
) -> Result<(), Error> {
    let py = code.py();
    let file: String = code.getattr("co_filename")?.extract()?;
    if file.starts_with("<hotpatch ") {
        return Ok(());
    }
    let lines = py.import("linecache")?.call_method1("getlines", (&file,))?;
    let text = PyString::new(py, "").call_method1("join", (lines,))?;
    let compile = py.import("builtins")?.getattr("compile")?;
    let compiled = match compile.call1((text, &file, "exec", 0, true)) {
        Err(error) if error.is_instance_of::<PySyntaxError>(py) => None,
        outcome => Some(outcome?),
    };
    let wanted = (code.getattr("co_firstlineno")?, digest(code)?);
    if let Some(module) = compiled
        && has_code(&module, &wanted)?
    {
        return Ok(());
    }
    Err(Error::patch(format!(
        "the source text of {} in {file} is not what runs: the file has changed since it was imported, or \
         something else has compiled it; expect the digest of its code, {}, and replace it by a function \
         or by a whole source text",
        describe(target),
        wanted.1
    )))
}

/// Whether a code object, or one in it, begins in a line and has a digest.
fn has_code<'py>(code: &Bound<'py, PyAny>, wanted: &(Bound<'py, PyAny>, String)) -> PyResult<bool> {
    if code.getattr("co_firstlineno")?.eq(&wanted.0)? && digest(code)? == wanted.1 {
        return Ok(true);
    }
    for constant in code.getattr("co_consts")?.try_iter()? {
        let constant = constant?;
        if constant.is_instance_of::<PyCode>() && has_code(&constant, wanted)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The syntax tree of a text, which can stand at any depth, without places and comments.
fn tree<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    let py = text.py();
    let dedented = py.import("textwrap")?.call_method1("dedent", (text,))?;
    let ast = py.import("ast")?;
    // Lines in brackets or quotes can be further left than the `def`.
    let nested = || -> PyResult<_> {
        let tree = ast.call_method1("parse", (format!("if True:\n{text}"),))?;
        tree.getattr("body")?.get_item(0)
    };
    let tree = match ast.call_method1("parse", (&dedented,)) {
        Err(error) if error.is_instance_of::<PySyntaxError>(py) => nested().map_err(|_| error)?,
        outcome => outcome?,
    };
    let body = tree.getattr("body")?.try_iter()?.map(|it| ast.call_method1("dump", (it?,)));
    Ok(PyTuple::new(py, body.collect::<PyResult<Vec<_>>>()?)?.into_any())
}

/// A text that is the same for code that does the same, with the same version of CPython.
pub(crate) fn digest(code: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut text = String::new();
    describe_code(code, &mut text)?;
    let data = PyBytes::new(code.py(), text.as_bytes());
    let hash = code.py().import("hashlib")?.call_method1("sha256", (data,))?;
    Ok(format!("{DIGEST}{}", hash.call_method0("hexdigest")?))
}

fn describe_code(code: &Bound<'_, PyAny>, text: &mut String) -> PyResult<()> {
    for field in FIELDS {
        let _ = write!(text, "{field}={};", code.getattr(field)?.repr()?);
    }
    if let Some(table) = code.getattr_opt(intern!(code.py(), "co_exceptiontable"))? {
        let _ = write!(text, "co_exceptiontable={};", table.repr()?);
    }
    describe_constant(&code.getattr(intern!(code.py(), "co_consts"))?, text)
}

fn describe_constant(constant: &Bound<'_, PyAny>, text: &mut String) -> PyResult<()> {
    if constant.is_instance_of::<PyCode>() {
        text.push_str("code(");
        describe_code(constant, text)?;
        text.push(')');
    } else if let Ok(items) = constant.cast::<PyTuple>() {
        text.push('(');
        for item in items {
            describe_constant(&item, text)?;
            text.push(',');
        }
        text.push(')');
    } else if let Ok(items) = constant.cast::<PyFrozenSet>() {
        // Their order is another in each process.
        let mut parts = Vec::new();
        for item in items {
            let mut part = String::new();
            describe_constant(&item, &mut part)?;
            parts.push(part);
        }
        parts.sort();
        let _ = write!(text, "{{{}}}", parts.join(","));
    } else {
        let _ = write!(text, "{}:{}", constant.get_type().name()?, constant.repr()?);
    }
    Ok(())
}
