//! The lines of instructions that CPython 3.11 writes down in full for a code object that is traced.

use std::ffi::c_int;

use pyo3::prelude::*;

/// Moves them by so many lines.
#[cfg(not(all(Py_3_11, not(Py_3_12))))]
pub(super) fn shift(_: &Bound<'_, PyAny>, _: c_int) {}

/// Moves them by so many lines.
///
/// The struct has no `repr(C)` twin in pyo3-ffi. What lies around the fields is told by the type, and since
/// they were released they are the same (`_PyCode_DEF`, Include/cpython/code.h, 3.11.0 to 3.11.15).
#[cfg(all(Py_3_11, not(Py_3_12)))]
pub(super) fn shift(code: &Bound<'_, PyAny>, lines: c_int) {
    use std::ffi::{c_short, c_void};

    use pyo3::ffi;

    let raw = code.as_ptr();
    // SAFETY: a static type of the interpreter, ready since it started.
    let weak_references = unsafe { ffi::PyCode_Type.tp_weaklistoffset };
    // `co_weakreflist`, `_co_code`, and then the array.
    let field = raw.wrapping_byte_offset(weak_references + 2 * size_of::<usize>().cast_signed());
    // SAFETY: a live code object, which has a pointer there. Whoever writes it has the GIL.
    let array = unsafe { field.cast::<*mut c_void>().read() };
    let Some(flags) = super::code::offset_of_int(c"co_flags").filter(|_| !array.is_null()) else {
        return;
    };
    // `co_flags`, the short `co_warmup`, and then the size of an entry.
    let size = raw.wrapping_byte_add(flags + size_of::<c_int>() + size_of::<c_short>());
    // SAFETY: a live code object, which has a short there.
    let size = unsafe { size.cast::<c_short>().read() };
    // SAFETY: a live object that has a size, which is the number of its instructions.
    let count = unsafe { ffi::Py_SIZE(raw) };
    for index in 0..count.unsigned_abs() {
        if size == 2 {
            let entry = array.cast::<i16>().wrapping_add(index);
            // SAFETY: the array has an entry for each instruction.
            let line = unsafe { entry.read() };
            if let Some(line) = moved(line.into(), lines).and_then(|line| i16::try_from(line).ok())
            {
                // SAFETY: as above. Whoever reads it has the GIL.
                unsafe { entry.write(line) };
            }
        } else {
            let entry = array.cast::<i32>().wrapping_add(index);
            // SAFETY: the array has an entry for each instruction.
            let line = unsafe { entry.read() };
            if let Some(line) = moved(line, lines) {
                // SAFETY: as above. Whoever reads it has the GIL.
                unsafe { entry.write(line) };
            }
        }
    }
}

/// -1 stands for no line, and stays.
#[cfg(all(Py_3_11, not(Py_3_12)))]
fn moved(line: i32, lines: c_int) -> Option<i32> {
    line.checked_add(lines).filter(|_| line >= 0)
}
