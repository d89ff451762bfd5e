//! Code objects: their flags and lines, and making them of a text.

use std::ffi::{CStr, c_int};
use std::sync::OnceLock;

use pyo3::exceptions::{PySystemError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::line_array;

/// Whether an object is a code object.
pub(crate) fn is_code(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: `object` is live. A code type cannot be subclassed, so the exact check finds them all.
    let checked = unsafe { ffi::PyCode_Check(object.as_ptr()) };
    checked != 0
}

/// The flags of a code object (`co_flags`).
///
/// Every patch asks for two of them, and the attribute would be a tenth of its cost.
pub(crate) fn flags(code: &Bound<'_, PyAny>) -> PyResult<u32> {
    static OFFSET: OnceLock<Option<usize>> = OnceLock::new();
    if !is_code(code) {
        return Err(PyTypeError::new_err("not a code object"));
    }
    match OFFSET.get_or_init(|| offset_of_int(c"co_flags")) {
        Some(offset) => {
            let field = code.as_ptr().wrapping_byte_add(*offset).cast::<c_int>();
            // SAFETY: the type says itself that its instances have an `int` at this offset.
            let flags = unsafe { field.read() };
            Ok(flags.cast_unsigned())
        }
        None => code.getattr("co_flags")?.extract(),
    }
}

/// Compiles and runs the text of a module, which comes from `file`.
///
/// Not with the functions `compile` and `exec`: they may be patched.
pub(crate) fn run(source: &CStr, file: &CStr, globals: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = globals.py();
    let (source, file) = (source.as_ptr(), file.as_ptr());
    // SAFETY: two C strings, and this thread is attached.
    let code = unsafe { ffi::Py_CompileString(source, file, ffi::Py_file_input) };
    // SAFETY: the result is a new reference, or NULL with an error set.
    let code = unsafe { Bound::from_owned_ptr_or_err(py, code) }?;
    let globals = globals.as_ptr();
    // SAFETY: a code object, and a dict that stands for globals and locals, as in a module.
    let result = unsafe { ffi::PyEval_EvalCode(code.as_ptr(), globals, globals) };
    // SAFETY: the result is a new reference, or NULL with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, result) }.map(drop)
}

/// Moves code objects by so many lines, as if their text stood there, for frames that run now too.
///
/// All other lines are counted from the first (`co_linetable`, 3.10 to 3.15).
///
/// # Errors
///
/// `TypeError` for what is no code object, and `ValueError` if a line would have no number. Nothing has
/// changed then.
pub(crate) fn move_lines(codes: &[Bound<'_, PyAny>], lines: c_int) -> PyResult<()> {
    static OFFSET: OnceLock<Option<usize>> = OnceLock::new();
    let offset = OFFSET.get_or_init(|| offset_of_int(c"co_firstlineno"));
    let offset = offset.ok_or_else(|| PySystemError::new_err("code objects have no first line"))?;
    let mut moved = Vec::with_capacity(codes.len());
    for code in codes {
        if !is_code(code) {
            return Err(PyTypeError::new_err("not a code object"));
        }
        let field = code.as_ptr().wrapping_byte_add(offset).cast::<c_int>();
        // SAFETY: the type says itself that its instances have an `int` at this offset.
        let line = unsafe { field.read() };
        let line = line.checked_add(lines).filter(|line| *line >= 0);
        let line = line.ok_or_else(|| PyValueError::new_err("a line would have no number"))?;
        moved.push((code, field, line));
    }
    for (code, field, line) in moved {
        // SAFETY: as above. Whoever reads it has the GIL, as this thread has.
        unsafe { field.write(line) };
        line_array::shift(code, lines);
    }
    Ok(())
}

/// How many references to an object there are.
pub(crate) fn references<T>(object: &Bound<'_, T>) -> usize {
    // SAFETY: a live object, and this thread is attached.
    let references = unsafe { ffi::Py_REFCNT(object.as_ptr()) };
    references.unsigned_abs()
}

/// Where code objects have an `int`, from the table by which the type shows its members.
pub(super) fn offset_of_int(wanted: &CStr) -> Option<usize> {
    // SAFETY: a static type of the interpreter, ready since it started.
    let mut member = unsafe { ffi::PyCode_Type.tp_members };
    while !member.is_null() {
        // SAFETY: the table is static and ends with a member without a name, where this loop ends.
        let definition = unsafe { member.read() };
        if definition.name.is_null() {
            return None;
        }
        // SAFETY: the name of a member is a static C string.
        let name = unsafe { CStr::from_ptr(definition.name) };
        if name == wanted {
            let is_int = definition.type_code == ffi::Py_T_INT;
            return usize::try_from(definition.offset).ok().filter(|_| is_int);
        }
        member = member.wrapping_add(1);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_those_that_python_shows() {
        Python::attach(|py| {
            for function in [c"lambda: 1", c"lambda *a, **k: (yield)"] {
                let code = py.eval(function, None, None).unwrap().getattr("__code__").unwrap();
                let shown: u32 = code.getattr("co_flags").unwrap().extract().unwrap();
                assert_eq!(flags(&code).unwrap(), shown);
            }
            assert!(offset_of_int(c"co_flags").is_some());
            assert!(offset_of_int(c"co_name").is_none()); // no int
        });
    }

    #[test]
    fn only_code_objects_have_flags() {
        Python::attach(|py| assert!(flags(py.None().bind(py)).is_err()));
    }
}
