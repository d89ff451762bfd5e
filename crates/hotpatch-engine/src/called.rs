//! Which Python function runs when an object is called.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::raw::function::Function;
use crate::site::Site;

/// Looking inside objects inside objects ends somewhere: an object can hold itself.
const DEEPEST: usize = 16;

/// An object that can be called, and what a call of it runs.
pub(crate) enum Called<'py> {
    /// A Python function, with so many arguments put before those of the call.
    Function(Function<'py>, usize),
    /// A `functools.partial` object around this.
    Partial(Bound<'py, PyAny>),
    /// Something written in C, or a class that makes its instances in its own way.
    Unknown,
}

impl<'py> Called<'py> {
    /// Looks through bound methods, static methods, caches and `__call__`, and only at what is really there:
    /// a mock makes up the attributes that it is asked for.
    pub(crate) fn of(callable: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = callable.py();
        let method = py.import("types")?.getattr("MethodType")?;
        let static_method = py.import("builtins")?.getattr("staticmethod")?;
        let partial = py.import("functools")?.getattr("partial")?;
        let cached = py.import("functools")?.getattr("_lru_cache_wrapper")?;
        let (mut callable, mut bound) = (callable.clone(), 0);
        for _ in 0..DEEPEST {
            if let Some(function) = Function::new(&callable) {
                return Ok(Self::Function(function, bound));
            }
            if callable.is_instance(&partial)? && bound == 0 {
                return Ok(Self::Partial(callable.getattr("func")?));
            }
            if callable.is_instance(&method)? {
                bound += 1;
                callable = callable.getattr("__func__")?;
            } else if callable.is_instance(&static_method)? {
                callable = callable.getattr("__func__")?;
            } else if callable.is_instance(&cached)? {
                callable = callable.getattr("__wrapped__")?;
            } else if let Ok(class) = callable.cast::<PyType>() {
                return Self::of_class(class, bound);
            } else {
                let inspect = py.import("inspect")?;
                let class = callable.get_type();
                callable =
                    inspect.call_method1("getattr_static", (class, "__call__", py.None()))?;
                if !callable.is_instance(&static_method)? {
                    bound += 1;
                }
                if Function::new(&callable).is_none() && !callable.is_instance(&static_method)? {
                    break;
                }
            }
        }
        Ok(Self::Unknown)
    }

    /// A class that leaves the making of instances to `type` runs one of two functions.
    fn of_class(class: &Bound<'py, PyType>, bound: usize) -> PyResult<Self> {
        let py = class.py();
        if !class.get_type().is(py.get_type::<PyType>()) {
            return Ok(Self::Unknown);
        }
        let object = py.import("builtins")?.getattr("object")?;
        for (made_by, other) in [("__init__", "__new__"), ("__new__", "__init__")] {
            if class.getattr(other)?.is(object.getattr(other)?)
                && let Some(function) = Function::new(&class.getattr(made_by)?)
            {
                return Ok(Self::Function(function, bound + 1));
            }
        }
        Ok(Self::Unknown)
    }
}

/// Whether an object has an attribute of its own, in its `__dict__`.
pub(crate) fn has_own(object: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    match object.getattr_opt("__dict__")? {
        Some(attributes) => match attributes.cast_into::<PyDict>() {
            Ok(attributes) => attributes.contains(name),
            Err(_) => Ok(false),
        },
        None => Ok(false),
    }
}
