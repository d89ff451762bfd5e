//! The C functions that stand in for those of patched definitions: one for each slot of the
//! [`pool`](super::pool) and
//! each calling convention.
//!
//! They are made at compile time, since each must know by itself which slot it belongs to. CPython calls
//! them as it would call the C function, which has the same convention: that is what each `own` relies on.

use std::ffi::c_int;
use std::ptr;

use pyo3::ffi;
use seq_macro::seq;

use super::pool::{Object, SIZE, own, route};

/// `METH_NOARGS` and `METH_O`: the argument is NULL for the former.
unsafe extern "C" fn single<const N: usize>(receiver: Object, argument: Object) -> Object {
    if let Some(to) = route(N, receiver) {
        // SAFETY: one argument, or none.
        return unsafe {
            to.call(
                receiver,
                &raw const argument,
                usize::from(!argument.is_null()),
                ptr::null_mut(),
            )
        };
    }
    // SAFETY: the definition has the flags of this convention.
    let own = unsafe { own(N).PyCFunction };
    // SAFETY: what CPython passes for it.
    unsafe { own(receiver, argument) }
}

/// `METH_VARARGS`
unsafe extern "C" fn tuple<const N: usize>(receiver: Object, arguments: Object) -> Object {
    if let Some(to) = route(N, receiver) {
        // SAFETY: a tuple, as the convention says.
        return unsafe { to.call_tuple(receiver, arguments, ptr::null_mut()) };
    }
    // SAFETY: the definition has the flags of this convention.
    let own = unsafe { own(N).PyCFunction };
    // SAFETY: what CPython passes for it.
    unsafe { own(receiver, arguments) }
}

/// `METH_VARARGS | METH_KEYWORDS`
unsafe extern "C" fn tuple_keywords<const N: usize>(
    receiver: Object,
    arguments: Object,
    keywords: Object,
) -> Object {
    if let Some(to) = route(N, receiver) {
        // SAFETY: a tuple, and a dict or NULL, as the convention says.
        return unsafe { to.call_tuple(receiver, arguments, keywords) };
    }
    // SAFETY: the definition has the flags of this convention.
    let own = unsafe { own(N).PyCFunctionWithKeywords };
    // SAFETY: what CPython passes for it.
    unsafe { own(receiver, arguments, keywords) }
}

/// `METH_FASTCALL`
unsafe extern "C" fn fast<const N: usize>(
    receiver: Object,
    first: *mut Object,
    count: ffi::Py_ssize_t,
) -> Object {
    if let Some(to) = route(N, receiver) {
        // SAFETY: so many arguments, as the convention says.
        return unsafe { to.call(receiver, first, count.unsigned_abs(), ptr::null_mut()) };
    }
    // SAFETY: the definition has the flags of this convention.
    let own = unsafe { own(N).PyCFunctionFast };
    // SAFETY: what CPython passes for it.
    unsafe { own(receiver, first, count) }
}

/// `METH_FASTCALL | METH_KEYWORDS`
unsafe extern "C" fn fast_keywords<const N: usize>(
    receiver: Object,
    first: *const Object,
    count: ffi::Py_ssize_t,
    names: Object,
) -> Object {
    if let Some(to) = route(N, receiver) {
        // SAFETY: so many arguments and names, as the convention says.
        return unsafe { to.call(receiver, first, count.unsigned_abs(), names) };
    }
    // SAFETY: the definition has the flags of this convention.
    let own = unsafe { own(N).PyCFunctionFastWithKeywords };
    // SAFETY: what CPython passes for it.
    unsafe { own(receiver, first, count, names) }
}

/// `METH_METHOD | METH_FASTCALL | METH_KEYWORDS`
unsafe extern "C" fn method<const N: usize>(
    receiver: Object,
    class: *mut ffi::PyTypeObject,
    first: *const Object,
    count: ffi::Py_ssize_t,
    names: Object,
) -> Object {
    if let Some(to) = route(N, receiver) {
        // SAFETY: so many arguments and names, as the convention says.
        return unsafe { to.call(receiver, first, count.unsigned_abs(), names) };
    }
    // SAFETY: the definition has the flags of this convention.
    let own = unsafe { own(N).PyCMethod };
    // SAFETY: what CPython passes for it.
    unsafe { own(receiver, class, first, count, names) }
}

/// The functions of one slot.
struct Functions {
    single: ffi::PyCFunction,
    tuple: ffi::PyCFunction,
    tuple_keywords: ffi::PyCFunctionWithKeywords,
    fast: ffi::PyCFunctionFast,
    fast_keywords: ffi::PyCFunctionFastWithKeywords,
    method: ffi::PyCMethod,
}

impl Functions {
    const fn new<const N: usize>() -> Self {
        Self {
            single: single::<N>,
            tuple: tuple::<N>,
            tuple_keywords: tuple_keywords::<N>,
            fast: fast::<N>,
            fast_keywords: fast_keywords::<N>,
            method: method::<N>,
        }
    }

    /// The one for the calling convention that `flags` name.
    fn of(&self, flags: c_int) -> ffi::PyMethodDefPointer {
        type Pointer = ffi::PyMethodDefPointer;
        let has = |flag| flags & flag != 0;
        if has(ffi::METH_METHOD) {
            Pointer { PyCMethod: self.method }
        } else if has(ffi::METH_FASTCALL) && has(ffi::METH_KEYWORDS) {
            Pointer { PyCFunctionFastWithKeywords: self.fast_keywords }
        } else if has(ffi::METH_FASTCALL) {
            Pointer { PyCFunctionFast: self.fast }
        } else if has(ffi::METH_KEYWORDS) {
            Pointer { PyCFunctionWithKeywords: self.tuple_keywords }
        } else if has(ffi::METH_VARARGS) {
            Pointer { PyCFunction: self.tuple }
        } else {
            Pointer { PyCFunction: self.single }
        }
    }
}

seq!(N in 0..1024 {
    static FUNCTIONS: [Functions; SIZE] = [#(Functions::new::<N>(),)*];
});

/// The function of slot `index` for the calling convention that `flags` name.
pub(super) fn function(index: usize, flags: c_int) -> ffi::PyMethodDefPointer {
    FUNCTIONS[index].of(flags)
}
