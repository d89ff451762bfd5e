//! The kind of a function: what its callers do with the result, and so what no patch may change.

use std::fmt;

use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::error::{Error, describe};
use crate::raw::code::flags;
use crate::raw::function::Function;

// Include/cpython/code.h, the same in CPython 3.10 to 3.15.
const CO_GENERATOR: u32 = 0x20;
const CO_COROUTINE: u32 = 0x80;
const CO_ITERABLE_COROUTINE: u32 = 0x100;
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
    /// The kind that a code object gives to a function.
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

    /// The kind of any callable, as `inspect` sees it, and for other objects that of `__call__`.
    pub(crate) fn of_callable(callable: &Bound<'_, PyAny>) -> PyResult<Self> {
        let inspect = callable.py().import("inspect")?;
        for (question, kind) in [
            ("iscoroutinefunction", Self::Coroutine),
            ("isasyncgenfunction", Self::AsyncGenerator),
            ("isgeneratorfunction", Self::Generator),
        ] {
            if inspect.call_method1(question, (callable,))?.is_truthy()? {
                return Ok(kind);
            }
        }
        if is_marked_as_coroutine(callable)? {
            return Ok(Self::Coroutine);
        }
        if callable.is_instance_of::<PyType>() {
            return Ok(Self::Plain);
        }
        match Function::new(&callable.get_type().getattr("__call__")?) {
            Some(call) => Self::of_code(&call.as_any().getattr("__code__")?),
            None => Ok(Self::Plain),
        }
    }

    /// Fails unless a target of this kind can become `replacement`, which is of kind `other`.
    pub(crate) fn check(
        self,
        target: &Bound<'_, PyAny>,
        other: Self,
        replacement: &Bound<'_, PyAny>,
    ) -> Result<(), Error> {
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

/// Whether a plain function says that what it returns is to be awaited.
///
/// `inspect.markcoroutinefunction` sets the one attribute (3.12, Lib/inspect.py), `asyncio` and
/// `unittest.mock` the other (`_is_coroutine`, until 3.13, Lib/asyncio/coroutines.py).
pub(crate) fn is_marked_as_coroutine(callable: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(function) = Function::new(callable) else {
        return Ok(false);
    };
    let attributes = function.as_any().getattr("__dict__")?;
    for mark in ["_is_coroutine_mark", "_is_coroutine"] {
        if attributes.contains(mark)? {
            return Ok(true);
        }
    }
    Ok(false)
}
