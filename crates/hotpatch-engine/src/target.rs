//! From the object that the user names to the one that changes.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

use crate::bypassed;
use crate::called::{DEEPEST, class_attribute, static_attribute};
use crate::error::Error;
use crate::raw::builtin::Builtin;
use crate::raw::function::Function;
use crate::raw::layout;
use crate::raw::method::Method;
use crate::site::{AnySite, Site};
use crate::wrapper::Wrapper;

/// What is patched.
pub(crate) enum Target<'py> {
    Function(FunctionTarget<'py>),
    Builtin(Builtin<'py>),
    Method(Method<'py>),
    Wrapper(Wrapper<'py>),
}

/// A function that can be patched, and how it was reached.
pub(crate) struct FunctionTarget<'py> {
    pub(crate) function: Function<'py>,
    /// For a bound method, what it is bound to.
    pub(crate) receiver: Option<Bound<'py, PyAny>>,
}

impl<'py> Target<'py> {
    /// Finds the function inside of a function, method, classmethod, staticmethod or property.
    pub(crate) fn resolve(named: &Bound<'py, PyAny>) -> Result<Self, Error> {
        Self::resolve_within(named, DEEPEST)
    }

    /// Looks inside so many times.
    fn resolve_within(named: &Bound<'py, PyAny>, depth: usize) -> Result<Self, Error> {
        if let Some(function) = Function::new(named) {
            layout::check_entry(&function)?;
            return Ok(Self::Function(FunctionTarget { function, receiver: None }));
        }
        let is_native = Builtin::new(named).is_some() || Method::new(named).is_some();
        if is_native || Wrapper::find(named)?.is_some() {
            return Self::of_site(named);
        }
        let py = named.py();
        let builtins = py.import("builtins")?;
        let method = py.import("types")?.getattr("MethodType")?;
        if named.is_instance(&method)? {
            let mut target = Self::resolve_inside(named, "__func__", depth)?;
            if let Self::Function(function) = &mut target {
                function.receiver = Some(named.getattr("__self__")?);
            }
            return Ok(target);
        }
        // What pybind11 puts into its classes: `PyInstanceMethod_Type`, which Python has no name for.
        if named.get_type().fully_qualified_name()? == "instancemethod" {
            return Self::resolve_inside(named, "__func__", depth);
        }
        for class in ["classmethod", "staticmethod"] {
            if named.is_instance(&builtins.getattr(class)?)? {
                return Self::resolve_inside(named, "__func__", depth);
            }
        }
        if named.is_instance(&builtins.getattr("property")?)? {
            if named.getattr("fget")?.is_none() {
                return Err(Error::refused(
                    named,
                    "it is a property without a getter",
                    "name its setter or deleter, as in K.p.fset",
                ));
            }
            return Self::resolve_inside(named, "fget", depth);
        }
        if named.is_instance(&py.import("functools")?.getattr("cached_property")?)? {
            return Self::resolve_inside(named, "func", depth);
        }
        Self::of_site(named)
    }

    /// What has its own way of being patched.
    fn of_site(named: &Bound<'py, PyAny>) -> Result<Self, Error> {
        match AnySite::new(named)? {
            Some(AnySite::Builtin(builtin)) => {
                bypassed::check_builtin(&builtin)?;
                Ok(Self::Builtin(builtin))
            }
            Some(AnySite::Method(method)) => {
                bypassed::check_method(&method)?;
                Ok(Self::Method(method))
            }
            Some(AnySite::Wrapper(wrapper)) => {
                if wrapper.function()?.is_none() {
                    let why = "it cannot be told where it has its function";
                    let instead = "patch the function inside, its attribute __wrapped__";
                    return Err(Error::refused(named, why, instead));
                }
                Ok(Self::Wrapper(wrapper))
            }
            _ => Err(refusal(named)?),
        }
    }

    pub(crate) fn into_site(self) -> AnySite<'py> {
        match self {
            Self::Function(target) => AnySite::Function(target.function),
            Self::Builtin(builtin) => AnySite::Builtin(builtin),
            Self::Method(method) => AnySite::Method(method),
            Self::Wrapper(wrapper) => AnySite::Wrapper(wrapper),
        }
    }

    fn resolve_inside(
        named: &Bound<'py, PyAny>,
        attribute: &str,
        depth: usize,
    ) -> Result<Self, Error> {
        let Some(depth) = depth.checked_sub(1) else {
            let why = "there is one object inside another, again and again";
            return Err(Error::refused(named, why, "name the function"));
        };
        Self::resolve_within(&named.getattr(attribute)?, depth)
    }
}

/// Says why an object that holds no function to patch is refused.
fn refusal(named: &Bound<'_, PyAny>) -> PyResult<Error> {
    if named.is_none() {
        return Ok(Error::refused(named, "it is None", "name a function or a method"));
    }
    if let Ok(class) = named.cast::<PyType>() {
        let instead = if is_python_function(class, "__init__")? {
            format!("name the method that callers use, such as {}.__init__", class.name()?)
        } else {
            "name the method that callers use, or the function that makes the instances".into()
        };
        return Ok(Error::refused(named, "it is a class", &instead));
    }
    let class = named.get_type();
    let class_name = class.name()?;
    for (kind, why) in [
        ("WrapperDescriptorType", "it wraps a C slot, which operators and C code use directly"),
        ("MethodWrapperType", "it wraps a C slot, which operators and C code use directly"),
        ("GetSetDescriptorType", "it is a C attribute descriptor and not callable"),
        ("MemberDescriptorType", "it is a C attribute descriptor and not callable"),
    ] {
        if named.is_instance(&named.py().import("types")?.getattr(kind)?)? {
            let instead = "patch the Python function that uses it";
            return Ok(Error::refused(named, why, instead));
        }
    }
    for (kind, why) in [
        ("fused_cython_function", "it is a fused function of Cython, which chooses one of several"),
        (
            "cython_function_or_method",
            "Cython made it for the limited API, and its fields are unknown",
        ),
    ] {
        if class_name == kind {
            return Ok(Error::refused(named, why, bypassed::CALLER));
        }
    }
    for attribute in ["__wrapped__", "func"] {
        let inner = instance_attribute(named, attribute)?;
        if inner.is_some_and(|inner| inner.is_callable()) {
            let why = format!("it is a {class_name} object that wraps a function");
            let instead = format!("name the function inside, its attribute {attribute}");
            return Ok(Error::refused(named, &why, &instead));
        }
    }
    if !named.is_callable() {
        let why = format!("it is of type {class_name} and not callable");
        return Ok(Error::refused(named, &why, "name a function or a method"));
    }
    if is_python_function(&class, "__call__")? {
        let instead = format!("name the method that the call runs, {class_name}.__call__");
        return Ok(Error::refused(named, &format!("it is an instance of {class_name}"), &instead));
    }
    let why = format!("it is an instance of {class_name}, and calls of it use a C slot");
    Ok(Error::refused(named, &why, bypassed::CALLER))
}

/// Whether what a class has under a name is a function that can be patched by that name.
fn is_python_function(class: &Bound<'_, PyType>, name: &str) -> PyResult<bool> {
    let found = class_attribute(class, &PyString::new(class.py(), name))?;
    Ok(found.is_some_and(|found| Function::new(&found).is_some()))
}

/// An attribute that is really there: a mock makes up the ones that it is asked for.
fn instance_attribute<'py>(
    object: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match static_attribute(object, &PyString::new(object.py(), name))? {
        Some(_) => object.getattr_opt(name),
        None => Ok(None),
    }
}

/// Whether `class` has `function` in its own namespace, as it is or inside a descriptor.
pub(crate) fn defines(
    class: &Bound<'_, PyType>,
    name: Option<&Bound<'_, PyAny>>,
    function: &Function<'_>,
) -> PyResult<bool> {
    let namespace = class.getattr("__dict__")?;
    let values = match name {
        Some(name) if namespace.contains(name)? => vec![namespace.get_item(name)?],
        Some(_) => vec![],
        None => {
            let copy = PyDict::from_sequence(&namespace.call_method0("items")?)?;
            copy.values().iter().collect()
        }
    };
    for value in values {
        if value.is(function.as_any()) || is_inside(&value, function)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a classmethod, staticmethod or property has `function` in it.
fn is_inside(descriptor: &Bound<'_, PyAny>, function: &Function<'_>) -> PyResult<bool> {
    let builtins = descriptor.py().import("builtins")?;
    for (class, attributes) in [
        ("classmethod", ["__func__"].as_slice()),
        ("staticmethod", &["__func__"]),
        ("property", &["fget", "fset", "fdel"]),
    ] {
        if descriptor.is_instance(&builtins.getattr(class)?)? {
            for attribute in attributes {
                if descriptor.getattr(*attribute)?.is(function.as_any()) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}
