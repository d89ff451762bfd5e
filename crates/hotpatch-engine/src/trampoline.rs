//! Small generated Python functions that call what is not a Python function, and hooks.
//!
//! A builtin, a class, a bound method or a mock has no body to install, so the target gets that of a
//! function which calls it. With a hook, it gets that of one which calls the hook and what lies below.
//! CPython compiles them, once for each shape; there is no bytecode of ours. What is called sits in
//! closure cells and not in `co_consts`, because the garbage collector does not look into code objects.

use std::collections::HashMap;
use std::ffi::CString;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PySyntaxError, PySystemError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::graft;
use crate::hook::How;
use crate::kind::{CO_ITERABLE_COROUTINE, Kind};
use crate::raw::body::Body;
use crate::raw::code::{self, flags};
use crate::raw::function::Function;
use crate::raw::method::Method;
use crate::signature::{
    KEYWORD_ONLY, POSITIONAL_ONLY, Parameter, Signature, VAR_KEYWORD, VAR_POSITIONAL,
};
use crate::site::Site;

/// What generated functions differ in.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) how: How,
    pub(crate) kind: Kind,
    /// Whether it asks first if it is in force, and calls the original otherwise.
    pub(crate) is_scoped: bool,
    pub(crate) parameters: Vec<Parameter>,
    /// What an observer is told of the arguments, as it is written in a call.
    pub(crate) observed: String,
}

/// The code of the function that makes functions of a shape.
type Makers = HashMap<Shape, Py<PyAny>>;

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
    let make = |signature: Signature<'py>| -> PyResult<_> {
        let annotations = signature.annotations.filter(|annotations| !annotations.is_empty());
        let own_globals = signature.globals.filter(|_| annotations.is_some());
        let parameters = signature.parameters;
        let shape = Shape {
            how: How::Replace,
            kind,
            is_scoped: false,
            parameters,
            observed: String::new(),
        };
        let globals = own_globals.as_ref().unwrap_or(globals);
        let function =
            function(shape, std::slice::from_ref(callable), signature.defaults, globals)?;
        if let Some(annotations) = annotations {
            function.as_any().setattr("__annotations__", annotations)?;
        }
        Ok(function)
    };
    match make(signature) {
        // A C function can name a parameter after a keyword.
        Err(error) if error.is_instance_of::<PySyntaxError>(callable.py()) => {
            make(Signature::anything())
        }
        outcome => outcome,
    }
}

/// Makes a function of a shape. `called` are the replacement, or the hook and the original.
pub(crate) fn function<'py>(
    shape: Shape,
    called: &[Bound<'py, PyAny>],
    defaults: Vec<Bound<'py, PyAny>>,
    globals: &Bound<'py, PyAny>,
) -> PyResult<Function<'py>> {
    let py = globals.py();
    let mut arguments = called.to_vec();
    for name in exceptions(&shape) {
        // Not looked up by the generated function: the module may have others of these names.
        arguments.push(py.import("builtins")?.getattr(*name)?);
    }
    arguments.extend(defaults);
    let maker = Function::with_code(&maker(py, shape)?, globals)?;
    let function = maker.as_any().call1(PyTuple::new(py, arguments)?)?;
    Function::new(&function).ok_or_else(|| PySystemError::new_err("a maker made no function"))
}

/// The exceptions that a function of a shape catches.
fn exceptions(shape: &Shape) -> &'static [&'static str] {
    match shape {
        Shape { kind: Kind::AsyncGenerator, .. } => {
            &["StopAsyncIteration", "GeneratorExit", "BaseException"]
        }
        Shape { how: How::Error, .. } => &["BaseException"],
        _ => &[],
    }
}

/// The arguments with which a function passes on those that it got, as they are written in a call.
pub(crate) fn arguments(parameters: &[Parameter]) -> Vec<String> {
    let write = |Parameter { name, kind, .. }: &Parameter| match *kind {
        VAR_POSITIONAL => format!("*{name}"),
        VAR_KEYWORD => format!("**{name}"),
        KEYWORD_ONLY => format!("{name}={name}"),
        _ => name.clone(),
    };
    parameters.iter().map(write).collect()
}

/// The names that a generated function uses besides its parameters, all with the same prefix.
struct Names(String);

impl Names {
    fn beside(parameters: &[Parameter]) -> Self {
        const ALL: [&str; 14] = [
            "replacement",
            "around",
            "before",
            "after",
            "error",
            "original",
            "active",
            "inner",
            "value",
            "sent",
            "exception",
            "BaseException",
            "StopAsyncIteration",
            "GeneratorExit",
        ];
        let mut prefix = String::new();
        let is_used = |prefix: &str| {
            parameters.iter().any(|parameter| {
                let rest = parameter.name.strip_prefix(prefix);
                rest.is_some_and(|rest| ALL.iter().any(|name| rest.starts_with(name)))
            })
        };
        while is_used(&prefix) {
            prefix.push('_');
        }
        Self(prefix)
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.0)
    }
}

/// The text of a function that takes what is called and the defaults, and makes the forwarder.
///
/// Defaults arrive as arguments and are set by the `def`: setting them later would clear the
/// version of the function, and calls of it would never be specialised (3.13).
fn maker_source(shape: &Shape) -> String {
    let Shape { how, kind, parameters, .. } = shape;
    let names = Names::beside(parameters);
    let mut given = match (how, shape.is_scoped) {
        (How::Replace, false) => vec![names.name("replacement")],
        (How::Replace, true) => vec![names.name("replacement"), names.name("original")],
        (how, _) => vec![names.name(how.name()), names.name("original")],
    };
    if shape.is_scoped {
        given.push(names.name("active"));
    }
    given.extend(exceptions(shape).iter().map(|name| names.name(name)));
    let mut definition = Vec::new();
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
            let default = names.name(&format!("default_{index}"));
            let _ = write!(written, "={default}");
            given.push(default);
        }
        definition.push(written);
    }
    if last == POSITIONAL_ONLY && !definition.is_empty() {
        definition.push("/".to_owned());
    }
    let keyword = match kind {
        Kind::Coroutine | Kind::AsyncGenerator => "async def",
        _ => "def",
    };
    let mut text = format!(
        "def make({}):\n    {keyword} forward({}):\n",
        given.join(", "),
        definition.join(", ")
    );
    for line in statements(shape, &names) {
        let _ = writeln!(text, "        {line}");
    }
    text.push_str("    return forward\n");
    text
}

/// The statements of a forwarder, which passes on everything that its caller can do to the result.
fn statements(shape: &Shape, names: &Names) -> Vec<String> {
    let Shape { how, kind, parameters, observed, .. } = shape;
    let original = format!("{}({})", names.name("original"), arguments(parameters).join(", "));
    let mut passed = arguments(parameters);
    let called = match how {
        How::Replace => names.name("replacement"),
        How::Around => {
            passed.insert(0, names.name("original"));
            names.name("around")
        }
        _ => names.name("original"),
    };
    let call = format!("{called}({})", passed.join(", "));
    let expression_of = |call: &str| match kind {
        Kind::Plain => call.to_owned(),
        Kind::Coroutine => format!("await {call}"),
        Kind::Generator | Kind::IterableCoroutine => format!("(yield from {call})"),
        Kind::AsyncGenerator => String::new(),
    };
    let tell = |given: &str| {
        let told: Vec<_> = [given, observed].into_iter().filter(|it| !it.is_empty()).collect();
        format!("{}({})", names.name(how.name()), told.join(", "))
    };
    let expression = expression_of(&call);
    let value = names.name("value");
    let mut lines = match (kind, how) {
        (Kind::AsyncGenerator, How::After) => {
            [iteration(&call, names), vec![tell("None")]].concat()
        }
        (Kind::AsyncGenerator, _) => iteration(&call, names),
        (_, How::After) => {
            vec![format!("{value} = {expression}"), tell(&value), format!("return {value}")]
        }
        _ => vec![format!("return {expression}")],
    };
    match how {
        How::Before => lines.insert(0, tell("")),
        How::Error => {
            let exception = names.name("exception");
            lines = lines.into_iter().map(|line| format!("    {line}")).collect();
            lines.insert(0, "try:".to_owned());
            lines.extend([
                format!("except {} as {exception}:", names.name("BaseException")),
                format!("    {}", tell(&exception)),
                "    raise".to_owned(),
            ]);
        }
        _ => {}
    }
    if shape.is_scoped {
        let mut otherwise = match kind {
            Kind::AsyncGenerator => [iteration(&original, names), vec!["return".into()]].concat(),
            _ => vec![format!("return {}", expression_of(&original))],
        };
        otherwise = otherwise.into_iter().map(|line| format!("    {line}")).collect();
        otherwise.insert(0, format!("if not {}:", names.name("active")));
        lines.splice(0..0, otherwise);
    }
    lines
}

/// What `yield from` does, for an async generator.
fn iteration(call: &str, names: &Names) -> Vec<String> {
    let [inner, value, sent, exception] =
        ["inner", "value", "sent", "exception"].map(|name| names.name(name));
    let [stop, exit, any] =
        ["StopAsyncIteration", "GeneratorExit", "BaseException"].map(|name| names.name(name));
    let text = format!(
        "{inner} = {call}
try:
    {value} = await {inner}.asend(None)
    while True:
        try:
            {sent} = yield {value}
        except {exit}:
            await {inner}.aclose()
            raise
        except {any} as {exception}:
            {value} = await {inner}.athrow({exception})
        else:
            {value} = await {inner}.asend({sent})
except {stop}:
    pass"
    );
    text.lines().map(str::to_owned).collect()
}

/// What a generated function calls.
pub(crate) enum Calls<'py> {
    /// A hook, and the original, which is in this cell of its closure.
    Original(usize, Bound<'py, PyAny>),
    /// Only a replacement.
    Replacement,
    /// It was not generated here.
    Anything,
}

/// What a function calls that does what `body` says, if it was generated here.
pub(crate) fn calls<'py>(body: &Body<'py>) -> PyResult<Calls<'py>> {
    let (Some(code), Some(cells)) = (body.code(), body.closure()) else {
        return Ok(Calls::Anything);
    };
    let file: String = code.getattr("co_filename")?.extract()?;
    let number = file.strip_prefix("<hotpatch ").and_then(|rest| rest.strip_suffix('>'));
    if number.is_none_or(|number| number.parse::<usize>().is_err()) {
        return Ok(Calls::Anything);
    }
    let names: Vec<String> = code.getattr("co_freevars")?.extract()?;
    let index = names.iter().position(|name| name.trim_start_matches('_') == "original");
    Ok(match index {
        Some(index) => Calls::Original(index, cells.get_item(index)?.getattr("cell_contents")?),
        None => Calls::Replacement,
    })
}

/// The code below the hooks of a body, if none of them hides it.
pub(crate) fn innermost<'py>(body: &Body<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let mut body = body.clone();
    loop {
        if graft::take_off(&mut body)?.is_some() {
            continue;
        }
        let original = match calls(&body)? {
            Calls::Original(_, original) => Function::new(&original),
            Calls::Replacement => None,
            Calls::Anything => return Ok(body.code().cloned()),
        };
        let Some(original) = original else {
            return Ok(None);
        };
        body = original.body()?;
    }
}

/// The code object of a function that makes functions of this shape.
fn maker(py: Python<'_>, shape: Shape) -> PyResult<Bound<'_, PyAny>> {
    let (known, count) = {
        let makers = MAKERS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = makers.as_ref().and_then(|makers| makers.get(&shape));
        (known.map(|code| code.clone_ref(py)), makers.as_ref().map_or(0, HashMap::len))
    };
    if let Some(code) = known {
        return Ok(code.into_bound(py));
    }
    let globals = PyDict::new(py);
    let source = maker_source(&shape);
    let file = format!("<hotpatch {}>", count + 1);
    code::run(&CString::new(source.as_str())?, &CString::new(file.as_str())?, &globals)?;
    let make = globals.get_item("make")?.ok_or_else(|| PySystemError::new_err("no maker"))?;
    let mut code = make.getattr("__code__")?;
    if shape.kind == Kind::IterableCoroutine {
        code = with_iterable_coroutines(&code)?;
    }
    show_in_tracebacks(py, &file, &source, 1)?;
    let mut makers = MAKERS.lock().unwrap_or_else(PoisonError::into_inner);
    makers.get_or_insert_default().insert(shape, code.clone().unbind());
    Ok(code)
}

/// Lets tracebacks and debuggers find the lines of a text that is in no file, the first by this number.
pub(crate) fn show_in_tracebacks(
    py: Python<'_>,
    file: &str,
    source: &str,
    first: usize,
) -> PyResult<()> {
    let above = std::iter::repeat_n("\n".to_owned(), first - 1);
    let lines: Vec<String> = above.chain(source.lines().map(|line| format!("{line}\n"))).collect();
    // Without a time of modification the entry stays (`checkcache`, Lib/linecache.py, 3.10 to 3.15).
    let entry = (source.len(), py.None(), lines, file);
    py.import("linecache")?.getattr("cache")?.set_item(file, entry)
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
