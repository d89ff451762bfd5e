//! The kind of a function: what its callers do with the result, and so what no patch may change.

use std::fmt;

use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::called::{Called, DEEPEST, has_own};
use crate::error::{Error, describe};
use crate::raw::builtin::Builtin;
use crate::raw::code::flags;
use crate::raw::function::Function;
use crate::raw::method::Method;
use crate::site::Site;
use crate::wrapper::Wrapper;

// Include/cpython/code.h, the same in CPython 3.10 to 3.15.
const CO_GENERATOR: u32 = 0x20;
const CO_COROUTINE: u32 = 0x80;
pub(crate) const CO_ITERABLE_COROUTINE: u32 = 0x100;
const CO_ASYNC_GENERATOR: u32 = 0x200;

/// What calling a function gives: a result, or something to iterate or to await.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Plain,
    Generator,
    Coroutine,
    /// A generator function marked by `types.coroutine`: it can be awaited.
    IterableCoroutine,
    AsyncGenerator,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "plain function",
            Self::Generator => "generator function",
            Self::Coroutine => "coroutine function",
            Self::IterableCoroutine => "generator-based coroutine function",
            Self::AsyncGenerator => "async generator function",
        })
    }
}

impl Kind {
    /// The kind that its code gives to a function.
    pub(crate) fn of_code(code: &Bound<'_, PyAny>) -> PyResult<Self> {
        let flags = flags(code)?;
        Ok(if flags & CO_COROUTINE != 0 {
            Self::Coroutine
        } else if flags & CO_ASYNC_GENERATOR != 0 {
            Self::AsyncGenerator
        } else if flags & CO_ITERABLE_COROUTINE != 0 {
            Self::IterableCoroutine
        } else if flags & CO_GENERATOR != 0 {
            Self::Generator
        } else {
            Self::Plain
        })
    }

    /// The kind of a function: that of its code, unless the function is marked as something else.
    pub(crate) fn of_function(function: &Function<'_>) -> PyResult<Self> {
        let code = function.code().ok_or_else(|| PySystemError::new_err("no code"))?;
        let kind = Self::of_code(&code)?;
        if kind == Self::Plain && function.has_attributes() && is_marked(function.as_any())? {
            return Ok(Self::Coroutine);
        }
        Ok(kind)
    }

    /// The kind of any callable: that of the Python function which a call of it runs.
    ///
    /// Returns `None` for C code, of which nobody can tell what it returns.
    pub(crate) fn of_callable(callable: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if let Some(function) = Function::new(callable) {
            return Self::of_function(&function).map(Some);
        }
        if Builtin::new(callable).is_some() {
            return Ok(None);
        }
        let mut callable = callable.clone();
        for _ in 0..DEEPEST {
            if let Some(kind) = Self::of_compiled(&callable)? {
                return Ok(Some(kind));
            }
            if is_marked(&callable)? {
                return Ok(Some(Self::Coroutine));
            }
            match Called::of(&callable)? {
                Called::Function(function, _) => return Self::of_function(&function).map(Some),
                Called::Partial(inner) => callable = inner,
                Called::Unknown if callable.is_instance_of::<PyType>() => {
                    return Ok(Some(Self::Plain));
                }
                Called::Unknown => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The kind of what is patched, or of an original.
    pub(crate) fn of_target(target: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(function) = Function::new(target) {
            return Self::of_function(&function);
        }
        let callable = match Wrapper::find(target)? {
            Some(wrapper) => wrapper.function()?,
            None => Some(target.clone()),
        };
        Ok(match callable {
            Some(callable) => Self::of_callable(&callable)?.unwrap_or(Self::Plain),
            None => Self::Plain,
        })
    }

    /// The kind of a function that Cython made, if it tells.
    pub(crate) fn of_compiled(callable: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        match Method::new(callable) {
            Some(method) if method.knows_its_kind() => {
                Self::of_code(&callable.getattr("__code__")?).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Fails if a target of this kind cannot become `replacement`.
    pub(crate) fn check(
        self,
        target: &Bound<'_, PyAny>,
        replacement: &Bound<'_, PyAny>,
    ) -> Result<(), Error> {
        let other = Self::of_callable(replacement)?.unwrap_or(self);
        if self == other {
            return Ok(());
        }
        Err(Error::argument(format!(
            "cannot replace {} by {}: the target is a {self} and the replacement a {other}, \
             and callers use the result of the one otherwise than that of the other; \
             write the replacement as a {self}",
            describe(target),
            describe(replacement),
        )))
    }
}

/// Whether an object says that what it returns is to be awaited.
///
/// `inspect.markcoroutinefunction` sets the one attribute (Lib/inspect.py, since 3.12), and asyncio
/// and `unittest.mock` the other (Lib/unittest/mock.py, `AsyncMockMixin`, 3.10 to 3.15).
fn is_marked(callable: &Bound<'_, PyAny>) -> PyResult<bool> {
    has_own(callable, &["_is_coroutine_marker", "_is_coroutine"])
}
