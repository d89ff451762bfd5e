//! C functions and methods that cannot be patched, because CPython or C code does what they do without
//! asking the object.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::error::Error;
use crate::raw::builtin::Builtin;
use crate::raw::method::Method;
use crate::site::Site;

/// `(module or class, name, first version, why, what to patch instead)`.
type Bypassed = (&'static str, &'static str, (u8, u8), &'static str, &'static str);

const ALWAYS: (u8, u8) = (3, 0);
pub(crate) const CALLER: &str = "patch the Python function that calls it";
// `callable_cache` in pycore_interp.h, and Python/specialize.c (3.11 to 3.15).
const INSTRUCTION: &str = "CPython has an instruction of its own for calls of it";
// `maybe_optimize_function_call` in Python/codegen.c (3.14, 3.15).
const INLINED: &str = "CPython compiles a call of it with a generator expression to a loop";
// `import_name` in Python/ceval.c (3.10 to 3.15).
const IMPORT: &str = "the import statement does not call it";
// `encoder_new` in Modules/_json.c (3.10 to 3.15).
const ENCODER: &str = "the JSON encoder knows it and calls its C code";
// `gen_as_async` in Objects/genobject.c, `FutureIterType` in Modules/_asynciomodule.c (3.10 to 3.15).
const SEND: &str = "its type has a C slot for it too, which loops, yield from and await use";
// `PyObject_Format` in Objects/abstract.c (3.10 to 3.15).
const FORMAT: &str = "formatting without a specification does not call it";
// `object_isinstance` in Objects/abstract.c (3.10 to 3.15).
const INSTANCE: &str = "isinstance() and issubclass() do not call it for classes of type `type`";

// `object_getstate` in Objects/typeobject.c (3.11 to 3.15).
const GETSTATE: &str = "object.__reduce_ex__ knows it, and does what only the C code can do";

const BYPASSED: &[Bypassed] = &[
    ("builtins", "len", (3, 11), INSTRUCTION, CALLER),
    ("builtins", "isinstance", (3, 11), INSTRUCTION, CALLER),
    ("builtins", "all", (3, 14), INLINED, CALLER),
    ("builtins", "any", (3, 14), INLINED, CALLER),
    ("builtins", "__import__", ALWAYS, IMPORT, "add a finder to sys.meta_path"),
    ("_json", "encode_basestring_ascii", ALWAYS, ENCODER, "pass an encoder class to json.dumps"),
    ("_json", "encode_basestring", ALWAYS, ENCODER, "pass an encoder class to json.dumps"),
    ("list", "append", (3, 11), INSTRUCTION, CALLER),
    ("generator", "send", ALWAYS, SEND, CALLER),
    ("coroutine", "send", ALWAYS, SEND, CALLER),
    ("FutureIter", "send", ALWAYS, SEND, CALLER),
    ("str", "__format__", ALWAYS, FORMAT, CALLER),
    ("int", "__format__", ALWAYS, FORMAT, CALLER),
    ("object", "__getstate__", ALWAYS, GETSTATE, CALLER),
    ("type", "__instancecheck__", ALWAYS, INSTANCE, "patch that of a metaclass"),
    ("type", "__subclasscheck__", ALWAYS, INSTANCE, "patch that of a metaclass"),
];

const LAYOUT: &str =
    "its fields are not where they are in the versions of Python that hotpatch knows";

fn find(object: &Bound<'_, PyAny>, owner: &str) -> Result<(), Error> {
    let name: String = object.getattr("__name__")?.extract()?;
    let version = object.py().version_info();
    for (other, bypassed, since, why, instead) in BYPASSED {
        if name == *bypassed && owner == *other && (version.major, version.minor) >= *since {
            return Err(Error::refused(object, why, instead));
        }
    }
    Ok(())
}

/// Fails unless calls of a builtin function can be led elsewhere, all of them.
pub(crate) fn check_builtin(builtin: &Builtin<'_>) -> Result<(), Error> {
    if builtin.is_known() {
        return Ok(());
    }
    let object = builtin.as_any();
    let name = object.getattr("__name__")?;
    if name.eq("__new__")? && builtin.receiver().is_some_and(|it| it.is_instance_of::<PyType>()) {
        let why = "calls of the class use the C slot tp_new and not this object";
        return Err(Error::refused(object, why, "patch the function that makes the instances"));
    }
    if let Ok(module) = object.getattr("__module__")?.extract::<String>() {
        find(object, &module)?;
    }
    if builtin.has_known_layout() {
        return Ok(());
    }
    Err(Error::refused(object, LAYOUT, "look for a newer release of hotpatch"))
}

/// Fails unless calls of a method can be led elsewhere, all of them.
pub(crate) fn check_method(method: &Method<'_>) -> Result<(), Error> {
    if method.is_known() {
        return Ok(());
    }
    let object = method.as_any();
    if method.flags() & ffi::METH_COEXIST != 0 {
        let why = "its type has a C slot for it too, which operators and C code use";
        return Err(Error::refused(object, why, CALLER));
    }
    if let Some(class) = method.class()? {
        find(object, &class.name()?.to_string())?;
    }
    if !method.has_known_layout()? {
        return Err(Error::refused(object, LAYOUT, "look for a newer release of hotpatch"));
    }
    if !method.is_writable() {
        let why = "its definition is in memory that cannot be written";
        return Err(Error::refused(object, why, CALLER));
    }
    Ok(())
}

/// The method of a C type that a builtin function was made of, for what it is bound to.
pub(crate) fn method_behind<'py>(builtin: &Builtin<'py>) -> PyResult<Option<Method<'py>>> {
    let Some(receiver) = builtin.receiver().filter(|_| builtin.is_bound()) else {
        return Ok(None);
    };
    let method = Method::bound(builtin, receiver);
    if method.is_known() {
        return Ok(Some(method));
    }
    Ok(method.class()?.map(|_| method))
}
