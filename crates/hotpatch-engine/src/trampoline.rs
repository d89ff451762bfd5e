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
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::called::Called;
use crate::kind::{CO_ITERABLE_COROUTINE, Kind};
use crate::raw::code::flags;
use crate::raw::function::Function;
use crate::site::Site;

/// The code of the function that makes functions of a shape, by their kind and its source text.
type Makers = HashMap<(Kind, String), Py<PyAny>>;

static MAKERS: Mutex<Option<Makers>> = Mutex::new(None);

/// Makes a function of kind `kind` that calls `callable` with the arguments it is given.
///
/// It has the signature of what is called where that is known, and `(*args, **kwargs)` otherwise.
/// `globals` are those of the target.
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
    /// Where the names in text annotations are defined, if not in the target's module.
    globals: Option<Bound<'py, PyAny>>,
}

impl<'py> Signature<'py> {
    fn anything() -> Self {
        let parameter = |name: &str, kind| Parameter { name: name.into(), kind, default: None };
        Self {
            parameters: vec![parameter("args", VAR_POSITIONAL), parameter("kwargs", VAR_KEYWORD)],
            annotations: None,
            globals: None,
        }
    }

    /// The signature of the code that a call of `callable` runs. Not the one that an object declares:
    /// every call must arrive as it was made, without defaults that the caller left out.
    ///
    /// Returns `None` where it is not known.
    fn of(callable: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        match Called::of(callable)? {
            Called::Function(function, bound) => {
                let Some(mut signature) = Self::shown_by(function.as_any())? else {
                    return Ok(None);
                };
                for _ in 0..bound {
                    // `*args` takes the arguments that are put first, and what comes after them.
                    if signature.parameters.first().is_some_and(|first| first.kind < VAR_POSITIONAL)
                    {
                        let first = signature.parameters.remove(0);
                        if let Some(annotations) = &signature.annotations {
                            annotations.call_method1("pop", (first.name, callable.py().None()))?;
                        }
                    }
                }
                signature.globals = Some(function.as_any().getattr("__globals__")?);
                Ok(Some(signature))
            }
            // What `inspect` makes of a partial object is right if it is right for what is inside.
            Called::Partial(inner) => match Called::of(&inner)? {
                Called::Function(function, _) if !declares_signature(function.as_any())? => {
                    Self::shown_by(callable)
                }
                _ => Ok(None),
            },
            Called::Unknown if callable.is_instance_of::<PyType>() => Ok(None),
            Called::Unknown => {
                let signature = Self::shown_by(callable)?;
                // The defaults that C functions show are texts, and some only stand for "left out".
                let has_default = |parameter: &Parameter<'_>| parameter.default.is_some();
                Ok(signature.filter(|signature| !signature.parameters.iter().any(has_default)))
            }
        }
    }

    /// What `inspect.signature` says, or `None` where it says nothing or repeats what is declared.
    fn shown_by(callable: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        let py = callable.py();
        if declares_signature(callable)? {
            return Ok(None);
        }
        let inspect = py.import("inspect")?;
        let keywords = PyDict::new(py);
        keywords.set_item("follow_wrapped", false)?;
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
        Ok(Some(Self { parameters, annotations: Some(annotations), globals: None }))
    }

    fn forwarder(
        &self,
        callable: &Bound<'py, PyAny>,
        kind: Kind,
        globals: &Bound<'py, PyAny>,
    ) -> PyResult<Function<'py>> {
        let py = callable.py();
        let annotations = self.annotations.as_ref().filter(|annotations| !annotations.is_empty());
        let globals = self.globals.as_ref().filter(|_| annotations.is_some()).unwrap_or(globals);
        let maker = Function::with_code(&maker(py, kind, self.maker_source(kind))?, globals)?;
        let mut arguments = vec![callable.clone()];
        if kind == Kind::AsyncGenerator {
            // Not looked up by the generated function: the module may have others of these names.
            for name in ["StopAsyncIteration", "GeneratorExit", "BaseException"] {
                arguments.push(py.import("builtins")?.getattr(name)?);
            }
        }
        arguments.extend(self.parameters.iter().filter_map(|parameter| parameter.default.clone()));
        let function = maker.as_any().call1(PyTuple::new(py, arguments)?)?;
        if let Some(annotations) = annotations {
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
        if kind == Kind::AsyncGenerator {
            defaults.insert_str(0, &format!(", {private}_stop, {private}_exit, {private}_any"));
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
                except {private}_exit:
                    await {private}_inner.aclose()
                    raise
                except {private}_any as {private}_error:
                    {private}_value = await {private}_inner.athrow({private}_error)
                else:
                    {private}_value = await {private}_inner.asend({private}_sent)
        except {private}_stop:
            pass\n"
        ),
    }
}

/// The code object of the function that `source` defines, which makes functions of kind `kind`.
fn maker(py: Python<'_>, kind: Kind, source: String) -> PyResult<Bound<'_, PyAny>> {
    let key = (kind, source);
    let known = {
        let makers = MAKERS.lock().unwrap_or_else(PoisonError::into_inner);
        makers.as_ref().and_then(|makers| makers.get(&key)).map(|code| code.clone_ref(py))
    };
    if let Some(code) = known {
        return Ok(code.into_bound(py));
    }
    let builtins = py.import("builtins")?;
    let module = builtins.call_method1("compile", (&key.1, "<hotpatch>", "exec"))?;
    let globals = PyDict::new(py);
    builtins.call_method1("exec", (module, &globals))?;
    let make = globals.get_item("make")?.ok_or_else(|| PySystemError::new_err("no maker"))?;
    let mut code = make.getattr("__code__")?;
    if kind == Kind::IterableCoroutine {
        code = with_iterable_coroutines(&code)?;
    }
    let mut makers = MAKERS.lock().unwrap_or_else(PoisonError::into_inner);
    makers.get_or_insert_default().insert(key, code.clone().unbind());
    Ok(code)
}

/// A maker whose functions can be awaited: what `types.coroutine` does, but to the code before there
/// is a function, whose version it would clear.
fn with_iterable_coroutines<'py>(maker: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = maker.py();
    let replace = |code: &Bound<'py, PyAny>, field: &str, value: Bound<'py, PyAny>| {
        let changes = PyDict::new(py);
        changes.set_item(field, value)?;
        code.call_method("replace", (), Some(&changes))
    };
    let mut constants = Vec::new();
    for constant in maker.getattr("co_consts")?.try_iter()? {
        let constant = constant?;
        constants.push(match flags(&constant) {
            Ok(flags) => {
                let flags = (flags | CO_ITERABLE_COROUTINE).into_pyobject(py)?.into_any();
                replace(&constant, "co_flags", flags)?
            }
            Err(_) => constant, // not a code object
        });
    }
    replace(maker, "co_consts", PyTuple::new(py, constants)?.into_any())
}

/// Whether an object, or a class that it is an instance of, says what its signature is.
fn declares_signature(callable: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = callable.py();
    let inspect = py.import("inspect")?;
    let arguments = (callable, "__signature__", py.None());
    Ok(!inspect.call_method1("getattr_static", arguments)?.is_none())
}
