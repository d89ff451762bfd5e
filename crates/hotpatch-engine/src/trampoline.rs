//! Small generated Python functions that call what is not a Python function.
//!
//! A builtin, a class, a bound method or a mock has no body to install, so the target gets that of a
//! function which calls it. CPython compiles them, once for each shape of signature; there is no
//! bytecode of ours. The callable sits in a closure cell and not in `co_consts`, because the garbage
//! collector does not look into code objects.

use std::collections::HashMap;
use std::ffi::CString;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PySyntaxError, PySystemError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::kind::{CO_ITERABLE_COROUTINE, Kind};
use crate::raw::code::{self, flags};
use crate::raw::function::Function;
use crate::raw::method::Method;
use crate::signature::{
    KEYWORD_ONLY, POSITIONAL_ONLY, Parameter, Signature, VAR_KEYWORD, VAR_POSITIONAL,
};
use crate::site::Site;

/// The code of the function that makes functions of a shape.
type Makers = HashMap<(Kind, Vec<Parameter>), Py<PyAny>>;

static MAKERS: Mutex<Option<Makers>> = Mutex::new(None);

/// Makes a function of kind `kind` that calls `callable` with the arguments it is given.
///
/// It has the signature of what is called where that is known, and `(*args, **kwargs)` otherwise.
/// `named` is what `callable` stands for, in a form that does not change. `globals` are those of the target.
pub(crate) fn forwarder<'py>(
    callable: &Bound<'py, PyAny>,
    named: &Bound<'py, PyAny>,
    kind: Kind,
    globals: &Bound<'py, PyAny>,
) -> PyResult<Function<'py>> {
    // Cython's functions tell more than the builtin functions that stand for them.
    let is_compiled = Method::new(named).is_some_and(|it| it.is_compiled() && !it.is_patched());
    let described = if is_compiled { named } else { callable };
    let signature = Signature::of(described)?.unwrap_or_else(Signature::anything);
    match signature.forwarder(callable, kind, globals) {
        // A C function can name a parameter after a keyword.
        Err(error) if error.is_instance_of::<PySyntaxError>(callable.py()) => {
            Signature::anything().forwarder(callable, kind, globals)
        }
        outcome => outcome,
    }
}

impl<'py> Signature<'py> {
    fn forwarder(
        self,
        callable: &Bound<'py, PyAny>,
        kind: Kind,
        globals: &Bound<'py, PyAny>,
    ) -> PyResult<Function<'py>> {
        let py = callable.py();
        let annotations = self.annotations.filter(|annotations| !annotations.is_empty());
        let own_globals = self.globals.filter(|_| annotations.is_some());
        let code = maker(py, (kind, self.parameters))?;
        let maker = Function::with_code(&code, own_globals.as_ref().unwrap_or(globals))?;
        let mut arguments = vec![callable.clone()];
        if kind == Kind::AsyncGenerator {
            // Not looked up by the generated function: the module may have others of these names.
            for name in ["StopAsyncIteration", "GeneratorExit", "BaseException"] {
                arguments.push(py.import("builtins")?.getattr(name)?);
            }
        }
        arguments.extend(self.defaults);
        let function = maker.as_any().call1(PyTuple::new(py, arguments)?)?;
        if let Some(annotations) = annotations {
            function.setattr("__annotations__", annotations)?;
        }
        Function::new(&function).ok_or_else(|| PySystemError::new_err("a maker made no function"))
    }
}

/// The text of a function that takes the callable and the defaults, and makes the forwarder.
///
/// Defaults arrive as arguments and are set by the `def`: setting them later would clear the
/// version of the function, and calls of it would never be specialised (3.13).
fn maker_source(kind: Kind, parameters: &[Parameter]) -> String {
    let mut private = String::from("call");
    while parameters.iter().any(|parameter| parameter.name.starts_with(&private)) {
        private.insert(0, '_');
    }
    let (mut definition, mut arguments, mut defaults) = (vec![], vec![], String::new());
    let mut last = POSITIONAL_ONLY;
    for (index, Parameter { name, kind, has_default }) in parameters.iter().enumerate() {
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
        if *has_default {
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

/// The code object of a function that makes functions of this shape.
fn maker(py: Python<'_>, key: (Kind, Vec<Parameter>)) -> PyResult<Bound<'_, PyAny>> {
    let known = {
        let makers = MAKERS.lock().unwrap_or_else(PoisonError::into_inner);
        makers.as_ref().and_then(|makers| makers.get(&key)).map(|code| code.clone_ref(py))
    };
    if let Some(code) = known {
        return Ok(code.into_bound(py));
    }
    let kind = key.0;
    let globals = PyDict::new(py);
    code::run(&CString::new(maker_source(kind, &key.1))?, &globals)?;
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
