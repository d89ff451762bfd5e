//! Small generated Python functions that call what is not a Python function.
//!
//! A builtin, a class, a bound method or a mock has no body to install, so the target gets that of a
//! function which calls it. CPython compiles them, once for each shape of signature; there is no
//! bytecode of ours. The callable sits in a closure cell and not in `co_consts`, because the garbage
//! collector does not look into code objects.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PySyntaxError, PySystemError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::kind::Kind;
use crate::raw::function::Function;

/// The code of the function that makes functions of a shape, by its source text.
static MAKERS: Mutex<Option<HashMap<String, Py<PyAny>>>> = Mutex::new(None);

/// Makes a function of kind `kind` that calls `callable` with the arguments it is given.
///
/// It has the signature of `callable` where that is known, and `(*args, **kwargs)` otherwise.
pub(crate) fn forwarder<'py>(
    callable: &Bound<'py, PyAny>,
    kind: Kind,
    globals: &Bound<'py, PyAny>,
) -> PyResult<Function<'py>> {
    let signature = Signature::of(callable)?.unwrap_or_else(Signature::anything);
    match signature.forwarder(callable, kind, globals) {
        // A C function can name a parameter after a keyword.
        Err(error) if error.is_instance_of::<PySyntaxError>(callable.py()) => {
            Signature::anything().forwarder(callable, kind, globals)
        }
        outcome => outcome,
    }
}

// The values of `inspect.Parameter.kind`. The one between, 1, is "positional or keyword".
const POSITIONAL_ONLY: u8 = 0;
const VAR_POSITIONAL: u8 = 2;
const KEYWORD_ONLY: u8 = 3;
const VAR_KEYWORD: u8 = 4;

struct Parameter<'py> {
    name: String,
    kind: u8,
    default: Option<Bound<'py, PyAny>>,
}

struct Signature<'py> {
    parameters: Vec<Parameter<'py>>,
    annotations: Option<Bound<'py, PyDict>>,
}

impl<'py> Signature<'py> {
    fn anything() -> Self {
        let parameter = |name: &str, kind| Parameter { name: name.into(), kind, default: None };
        Self {
            parameters: vec![parameter("args", VAR_POSITIONAL), parameter("kwargs", VAR_KEYWORD)],
            annotations: None,
        }
    }

    /// Returns `None` where the signature is not known well enough to pass on every call as it is.
    fn of(callable: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        let py = callable.py();
        let inspect = py.import("inspect")?;
        let keywords = PyDict::new(py);
        #[cfg(Py_3_14)]
        keywords.set_item(
            "annotation_format",
            py.import("annotationlib")?.getattr("Format")?.getattr("FORWARDREF")?,
        )?;
        let signature = match inspect.getattr("signature")?.call((callable,), Some(&keywords)) {
            Ok(signature) => signature,
            Err(error)
                if error.is_instance_of::<PyValueError>(py)
                    || error.is_instance_of::<PyTypeError>(py) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let empty = inspect.getattr("Parameter")?.getattr("empty")?;
        let present = |value: Bound<'py, PyAny>| (!value.is(&empty)).then_some(value);
        let annotations = PyDict::new(py);
        let mut parameters = Vec::new();
        for parameter in signature.getattr("parameters")?.call_method0("values")?.try_iter()? {
            let parameter = parameter?;
            let name: String = parameter.getattr("name")?.extract()?;
            if let Some(annotation) = present(parameter.getattr("annotation")?) {
                annotations.set_item(&name, annotation)?;
            }
            parameters.push(Parameter {
                name,
                kind: parameter.getattr("kind")?.extract()?,
                default: present(parameter.getattr("default")?),
            });
        }
        if let Some(annotation) = present(signature.getattr("return_annotation")?) {
            annotations.set_item("return", annotation)?;
        }
        // The defaults that C functions show are texts, and some only stand for "left out".
        if parameters.iter().any(|parameter| parameter.default.is_some())
            && !has_python_defaults(callable)?
        {
            return Ok(None);
        }
        Ok(Some(Self { parameters, annotations: Some(annotations) }))
    }

    fn forwarder(
        &self,
        callable: &Bound<'py, PyAny>,
        kind: Kind,
        globals: &Bound<'py, PyAny>,
    ) -> PyResult<Function<'py>> {
        let code = maker(callable.py(), self.maker_source(kind))?;
        let maker = Function::with_code(&code, globals)?;
        let mut arguments = vec![callable.clone()];
        arguments.extend(self.parameters.iter().filter_map(|parameter| parameter.default.clone()));
        let arguments = pyo3::types::PyTuple::new(callable.py(), arguments)?;
        let function = maker.as_any().call1(arguments)?;
        if let Some(annotations) = &self.annotations
            && !annotations.is_empty()
        {
            function.setattr("__annotations__", annotations)?;
        }
        Function::new(&function).ok_or_else(|| PySystemError::new_err("a maker made no function"))
    }

    /// The text of a function that takes the callable and the defaults, and makes the forwarder.
    ///
    /// Defaults arrive as arguments and are set by the `def`: setting them later would clear the
    /// version of the function, and calls of it would never be specialised (3.13).
    fn maker_source(&self, kind: Kind) -> String {
        let mut private = String::from("call");
        while self.parameters.iter().any(|parameter| parameter.name.starts_with(&private)) {
            private.insert(0, '_');
        }
        let (mut definition, mut arguments, mut defaults) = (vec![], vec![], String::new());
        let mut last = POSITIONAL_ONLY;
        for (index, Parameter { name, kind, default }) in self.parameters.iter().enumerate() {
            if last == POSITIONAL_ONLY && *kind > POSITIONAL_ONLY && index > 0 {
                definition.push("/".to_owned());
            }
            if *kind == KEYWORD_ONLY && last < VAR_POSITIONAL {
                definition.push("*".to_owned());
            }
            last = *kind;
            let stars = match *kind {
                VAR_POSITIONAL => "*",
                VAR_KEYWORD => "**",
                _ => "",
            };
            let mut written = format!("{stars}{name}");
            if default.is_some() {
                let _ = write!(written, "={private}_default_{index}");
                let _ = write!(defaults, ", {private}_default_{index}");
            }
            definition.push(written);
            arguments.push(match *kind {
                KEYWORD_ONLY => format!("{name}={name}"),
                _ => format!("{stars}{name}"),
            });
        }
        if last == POSITIONAL_ONLY && !definition.is_empty() {
            definition.push("/".to_owned());
        }
        let call = format!("{private}({})", arguments.join(", "));
        let keyword = match kind {
            Kind::Coroutine | Kind::AsyncGenerator => "async def",
            _ => "def",
        };
        format!(
            "def make({private}{defaults}):\n    {keyword} forward({}):\n{}    return forward\n",
            definition.join(", "),
            statements(kind, &call, &private),
        )
    }
}

/// The statements of a forwarder, which passes on everything that its caller can do to the result.
fn statements(kind: Kind, call: &str, private: &str) -> String {
    match kind {
        Kind::Plain => format!("        return {call}\n"),
        Kind::Coroutine => format!("        return await {call}\n"),
        Kind::Generator | Kind::IterableCoroutine => {
            format!("        return (yield from {call})\n")
        }
        Kind::AsyncGenerator => format!(
            "        {private}_inner = {call}
        try:
            {private}_value = await {private}_inner.asend(None)
            while True:
                try:
                    {private}_sent = yield {private}_value
                except GeneratorExit:
                    await {private}_inner.aclose()
                    raise
                except BaseException as {private}_error:
                    {private}_value = await {private}_inner.athrow({private}_error)
                else:
                    {private}_value = await {private}_inner.asend({private}_sent)
        except StopAsyncIteration:
            pass\n"
        ),
    }
}

/// The code object of the function that `source` defines.
fn maker(py: Python<'_>, source: String) -> PyResult<Bound<'_, PyAny>> {
    let known = {
        let makers = MAKERS.lock().unwrap_or_else(PoisonError::into_inner);
        makers.as_ref().and_then(|makers| makers.get(&source)).map(|code| code.clone_ref(py))
    };
    if let Some(code) = known {
        return Ok(code.into_bound(py));
    }
    let builtins = py.import("builtins")?;
    let module = builtins.call_method1("compile", (&source, "<hotpatch>", "exec"))?;
    let globals = PyDict::new(py);
    builtins.call_method1("exec", (module, &globals))?;
    let make = globals.get_item("make")?.ok_or_else(|| PySystemError::new_err("no maker"))?;
    let code = make.getattr("__code__")?;
    let mut makers = MAKERS.lock().unwrap_or_else(PoisonError::into_inner);
    makers.get_or_insert_default().insert(source, code.clone().unbind());
    Ok(code)
}

/// Whether the defaults in the signature of `callable` are those of a Python function.
fn has_python_defaults(callable: &Bound<'_, PyAny>) -> PyResult<bool> {
    if Function::new(callable).is_some() {
        return Ok(true);
    }
    let py = callable.py();
    for (module, class, inner) in
        [("types", "MethodType", "__func__"), ("functools", "partial", "func")]
    {
        if callable.is_instance(&py.import(module)?.getattr(class)?)? {
            return has_python_defaults(&callable.getattr(inner)?);
        }
    }
    let is_function = |attribute: Bound<'_, PyAny>| Function::new(&attribute).is_some();
    if let Ok(class) = callable.cast::<PyType>() {
        return Ok(
            is_function(class.getattr("__init__")?) || is_function(class.getattr("__new__")?)
        );
    }
    Ok(is_function(callable.get_type().getattr("__call__")?))
}
