//! The parameters of a callable, so that a generated function can have the same.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTupleMethods, PyType};

use crate::called::{Called, own_attribute, partial_field, static_attribute};
use crate::raw::body::Body;
use crate::raw::builtin::Builtin;
use crate::raw::code::flags;
use crate::raw::extra::Extra;
use crate::raw::function::Function;
use crate::raw::method::Method;
use crate::site::Site;

// The values of `inspect.Parameter.kind`.
pub(crate) const POSITIONAL_ONLY: u8 = 0;
pub(crate) const POSITIONAL_OR_KEYWORD: u8 = 1;
pub(crate) const VAR_POSITIONAL: u8 = 2;
pub(crate) const KEYWORD_ONLY: u8 = 3;
pub(crate) const VAR_KEYWORD: u8 = 4;

// Include/cpython/code.h, the same in CPython 3.10 to 3.15.
const CO_VARARGS: u32 = 0x4;
const CO_VARKEYWORDS: u32 = 0x8;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: u8,
    pub(crate) has_default: bool,
}

impl Parameter {
    fn new(name: impl Into<String>, kind: u8) -> Self {
        Self { name: name.into(), kind, has_default: false }
    }
}

pub(crate) struct Signature<'py> {
    pub(crate) parameters: Vec<Parameter>,
    /// Of those parameters that have one, in their order.
    pub(crate) defaults: Vec<Bound<'py, PyAny>>,
    pub(crate) annotations: Option<Bound<'py, PyDict>>,
    /// Where the names in text annotations are defined, if not in the target's module.
    pub(crate) globals: Option<Bound<'py, PyAny>>,
}

impl<'py> Signature<'py> {
    /// `(*args, **kwargs)`
    pub(crate) fn anything() -> Self {
        Self::plain(vec![
            Parameter::new("args", VAR_POSITIONAL),
            Parameter::new("kwargs", VAR_KEYWORD),
        ])
    }

    fn plain(parameters: Vec<Parameter>) -> Self {
        Self { parameters, defaults: Vec::new(), annotations: None, globals: None }
    }

    /// The signature of the code that a call of `callable` runs. Not the one that an object declares:
    /// every call must arrive as it was made, without defaults that the caller left out.
    ///
    /// Returns `None` where it is not known.
    pub(crate) fn of(callable: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        match Called::of(callable)? {
            Called::Function(function, bound) => {
                let Some(mut signature) = Self::of_function(&function)? else {
                    return Ok(None);
                };
                for _ in 0..bound {
                    signature.bind_first()?;
                }
                Ok(Some(signature))
            }
            // What `inspect` makes of a partial object is right if it is right for what is inside.
            Called::Partial(inner) => match Called::of(&inner)? {
                Called::Function(function, _) if !declares_signature(function.as_any())? => {
                    let Some(inner) = Self::of_function(&function)? else {
                        return Ok(None);
                    };
                    let keywords = partial_field(callable, intern!(callable.py(), "keywords"))?;
                    // `inspect` takes such a parameter away, but the keyword goes into `**kwargs`.
                    for Parameter { name, kind, .. } in &inner.parameters {
                        if *kind == POSITIONAL_ONLY && keywords.contains(name)? {
                            return Ok(None);
                        }
                    }
                    Self::shown_by(callable)
                }
                _ => Ok(None),
            },
            Called::Unknown if callable.is_instance_of::<PyType>() => Ok(None),
            Called::Unknown if Method::new(callable).is_some_and(|it| it.is_compiled()) => {
                Self::shown_by(callable)
            }
            // The defaults that C functions show are texts, and some only stand for "left out".
            Called::Unknown => Ok(of_c_code(callable)?.map(Self::plain)),
        }
    }

    /// The signature of a Python function.
    fn of_function(function: &Function<'py>) -> PyResult<Option<Self>> {
        if function.has_attributes() && declares_signature(function.as_any())? {
            return Ok(None);
        }
        let body = function.body()?;
        let positional = match body.code() {
            Some(code) => declared(code)?.iter().filter(|it| it.kind < VAR_POSITIONAL).count(),
            None => 0,
        };
        // `inspect` is not prepared for more defaults than parameters.
        let has_more = body.defaults().is_some_and(|defaults| defaults.len() > positional);
        if body.has_annotations() && !has_more {
            let (shown, globals) = (Self::shown_by(function.as_any())?, body.globals().cloned());
            return Ok(shown.map(|signature| Self { globals, ..signature }));
        }
        Self::of_body(&body)
    }

    /// The signature that the code and the defaults of a Python function make, without annotations.
    pub(crate) fn of_body(body: &Body<'py>) -> PyResult<Option<Self>> {
        let Some(code) = body.code() else {
            return Ok(None);
        };
        let globals = body.globals().cloned();
        let mut parameters = declared(code)?.into_owned();
        let known = defaults_of(body, &parameters)?;
        for (parameter, default) in parameters.iter_mut().zip(&known) {
            parameter.has_default = default.is_some();
        }
        let defaults = known.into_iter().flatten().collect();
        Ok(Some(Self { parameters, defaults, annotations: None, globals }))
    }

    /// Whether a Python function has these parameters and defaults.
    pub(crate) fn is_that_of(&self, callable: &Bound<'py, PyAny>) -> PyResult<bool> {
        let Some(function) = Function::new(callable) else {
            return Ok(false);
        };
        let body = function.body()?;
        let Some(code) = body.code() else {
            return Ok(false);
        };
        let others = declared(code)?;
        let mut both = self.parameters.iter().zip(&*others);
        let is_same =
            |one: &Parameter, other: &Parameter| one.kind == other.kind && one.name == other.name;
        if self.parameters.len() != others.len() || !both.all(|(one, other)| is_same(one, other)) {
            return Ok(false);
        }
        let mut own = self.defaults.iter();
        let own = self.parameters.iter().map(|it| it.has_default.then(|| own.next()).flatten());
        Ok(own.zip(&defaults_of(&body, &others)?).all(|(one, other)| match (one, other) {
            (Some(one), Some(other)) => one.is(other),
            (None, None) => true,
            _ => false,
        }))
    }

    /// Takes away the parameter that the first argument of a method goes to.
    fn bind_first(&mut self) -> PyResult<()> {
        // `*args` takes the arguments that are put first, and what comes after them.
        if self.parameters.first().is_some_and(|first| first.kind < VAR_POSITIONAL) {
            let first = self.parameters.remove(0);
            if first.has_default {
                self.defaults.remove(0);
            }
            if let Some(annotations) = &self.annotations {
                let none = annotations.py().None();
                annotations.call_method1("pop", (first.name, none))?;
            }
        }
        Ok(())
    }

    /// What `inspect.signature` says, or `None` where it says nothing or repeats what is declared.
    pub(crate) fn shown_by(callable: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
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
        let (mut parameters, mut defaults) = (Vec::new(), Vec::new());
        for parameter in signature.getattr("parameters")?.call_method0("values")?.try_iter()? {
            let parameter = parameter?;
            let name: String = parameter.getattr("name")?.extract()?;
            if let Some(annotation) = present(parameter.getattr("annotation")?) {
                annotations.set_item(&name, annotation)?;
            }
            let default = present(parameter.getattr("default")?);
            let (kind, has_default) = (parameter.getattr("kind")?.extract()?, default.is_some());
            parameters.push(Parameter { name, kind, has_default });
            defaults.extend(default);
        }
        if let Some(annotation) = present(signature.getattr("return_annotation")?) {
            annotations.set_item("return", annotation)?;
        }
        Ok(Some(Self { parameters, defaults, annotations: Some(annotations), globals: None }))
    }
}

/// The default of each parameter that the code of a body declares.
fn defaults_of<'py>(
    body: &Body<'py>,
    declared: &[Parameter],
) -> PyResult<Vec<Option<Bound<'py, PyAny>>>> {
    let positional = declared.iter().take_while(|it| it.kind < VAR_POSITIONAL).count();
    let of_positional = body.defaults();
    let count = of_positional.map_or(0, PyTupleMethods::len);
    let default = |(index, parameter): (usize, &Parameter)| match parameter.kind {
        KEYWORD_ONLY => body.keyword_defaults().map_or(Ok(None), |it| it.get_item(&parameter.name)),
        VAR_POSITIONAL | VAR_KEYWORD => Ok(None),
        _ => {
            let place = (index + count).checked_sub(positional).filter(|place| *place < count);
            of_positional.zip(place).map(|(defaults, place)| defaults.get_item(place)).transpose()
        }
    };
    declared.iter().enumerate().map(default).collect()
}

/// The parameters that a code object declares, without a word about defaults.
fn declared<'a>(code: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [Parameter]>> {
    let Some(extra) = Extra::of(code) else {
        return read_declared(code).map(Cow::Owned);
    };
    if let Some(known) = extra.parameters.get() {
        return Ok(Cow::Borrowed(known));
    }
    let found = read_declared(code)?;
    Ok(Cow::Borrowed(extra.parameters.get_or_init(|| found)))
}

fn read_declared(code: &Bound<'_, PyAny>) -> PyResult<Vec<Parameter>> {
    let py = code.py();
    let positional = number(code, intern!(py, "co_argcount"))?;
    let flags = flags(code)?;
    let only_positional = number(code, intern!(py, "co_posonlyargcount"))?;
    let keywords = number(code, intern!(py, "co_kwonlyargcount"))?;
    // Their order in the code: positional, keywords, `*args`, `**kwargs`.
    let names: Vec<String> = code.getattr(intern!(py, "co_varnames"))?.extract()?;
    let mut names = names.into_iter();
    let mut parameters = Vec::new();
    for (index, name) in names.by_ref().take(positional).enumerate() {
        let is_only = index < only_positional;
        let kind = if is_only { POSITIONAL_ONLY } else { POSITIONAL_OR_KEYWORD };
        parameters.push(Parameter::new(name, kind));
    }
    let after: Vec<_> = names.by_ref().take(keywords).collect();
    if flags & CO_VARARGS != 0 {
        parameters.extend(names.next().map(|name| Parameter::new(name, VAR_POSITIONAL)));
    }
    parameters.extend(after.into_iter().map(|name| Parameter::new(name, KEYWORD_ONLY)));
    if flags & CO_VARKEYWORDS != 0 {
        parameters.extend(names.next().map(|name| Parameter::new(name, VAR_KEYWORD)));
    }
    Ok(parameters)
}

/// A number that a code object shows.
fn number(code: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> PyResult<usize> {
    code.getattr(name)?.extract()
}

/// Whether an object is a Python function that can be given an argument by its place.
pub(crate) fn takes_positional(callable: &Bound<'_, PyAny>) -> PyResult<bool> {
    let code = Function::new(callable).and_then(|function| function.code());
    let Some(code) = code else {
        return Ok(false);
    };
    Ok(flags(&code)? & CO_VARARGS != 0 || number(&code, intern!(code.py(), "co_argcount"))? > 0)
}

/// The parameters of what is written in C, if it says so and none has a default.
///
/// `inspect` reads them from a text, which takes it long, so what it said of a text is kept.
fn of_c_code(callable: &Bound<'_, PyAny>) -> PyResult<Option<Vec<Parameter>>> {
    /// By type, whether there is a first argument already, and text.
    type Known = HashMap<(usize, bool, String), Option<Vec<Parameter>>>;
    static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);

    let ask = || -> PyResult<_> {
        let parameters = Signature::shown_by(callable)?.map(|signature| signature.parameters);
        Ok(parameters.filter(|parameters| parameters.iter().all(|it| !it.has_default)))
    };
    let mut is_free = false;
    let is_bound = match Builtin::new(callable) {
        Some(builtin) => {
            is_free = builtin.receiver().is_none_or(|receiver| receiver.is_none());
            builtin.is_bound()
        }
        None if Method::new(callable).is_some_and(|method| method.is_descriptor()) => false,
        None => return ask(),
    };
    let Some(text) = callable
        .getattr(intern!(callable.py(), "__text_signature__"))?
        .extract::<Option<String>>()?
    else {
        return Ok(None);
    };
    // CPython takes what has no text for a method, since 3.13, and `inspect` shows a parameter for the
    // receiver (`_PyType_GetTextSignatureFromInternalDoc`, Objects/typeobject.c). Where there is none, a
    // call has no such argument.
    if is_free && text.starts_with("($") {
        return Ok(None);
    }
    let key = (callable.get_type_ptr().addr(), is_bound, text);
    if let Some(parameters) = known().as_ref().and_then(|known| known.get(&key)) {
        return Ok(parameters.clone());
    }
    let parameters = ask()?;
    known().get_or_insert_default().insert(key, parameters.clone());
    Ok(parameters)
}

/// Whether an object, or a class that it is an instance of, says what its signature is.
fn declares_signature(callable: &Bound<'_, PyAny>) -> PyResult<bool> {
    let name = intern!(callable.py(), "__signature__");
    // The type of functions has none.
    let declared = match Function::new(callable) {
        Some(_) => own_attribute(callable, name)?,
        None => static_attribute(callable, name)?,
    };
    Ok(declared.is_some_and(|declared| !declared.is_none()))
}
