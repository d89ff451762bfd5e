//! A tuple of closure cells that keeps more alive than it shows.
//!
//! `__closure__` is the one field of a function that the garbage collector visits, that Python code
//! cannot assign, and whose length nobody reads at a call. So what must live exactly as long as a
//! function, or as long as a patch of it, hangs there:
//!
//! ```text
//!   ob_size counts these      and nobody but this file sees these
//!  ┌───────────┬───────────┐ ┌─────────┬───────────────┬──────────────┬──────┐
//!  │ cell 0    │ cell n-1  │ │ padding │ stack or None │ kept objects │ NULL │
//!  └───────────┴───────────┘ └─────────┴───────────────┴──────────────┴──────┘
//! ```
//!
//! *Padding* are cells behind those of the code that is installed: a call that was binding its
//! arguments when the body was swapped still copies as many cells as its own code has
//! (`COPY_FREE_VARS`, Python/bytecodes.c), and reads them without looking at the length.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use smallvec::SmallVec;

static TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A few references.
pub(crate) type Few<'py> = SmallVec<[Bound<'py, PyAny>; 4]>;

/// What a closure tuple keeps alive behind the cells that it shows.
#[derive(Default)]
pub(crate) struct Hidden<'py> {
    /// Cells.
    pub(crate) padding: Few<'py>,
    /// The patches of the function. Never a cell.
    pub(crate) stack: Option<Bound<'py, PyAny>>,
    /// Globals and builtins, mostly: any objects.
    pub(crate) kept: Few<'py>,
}

impl Hidden<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.padding.is_empty() && self.stack.is_none() && self.kept.is_empty()
    }
}

/// A tuple of cells made by [`Closure::new`].
pub(crate) struct Closure<'py>(Bound<'py, PyAny>);

impl<'py> Closure<'py> {
    /// Makes a tuple that shows `cells` and also owns what is in `hidden`.
    pub(crate) fn new(
        py: Python<'py>,
        cells: Vec<Bound<'py, PyAny>>,
        hidden: Hidden<'py>,
    ) -> PyResult<Self> {
        // Not `get_or_init`: the collector can run finalizers in between, and they can come here.
        let class = if let Some(class) = TYPE.get(py) {
            class
        } else {
            let class = make_type(py)?;
            TYPE.get_or_init(py, || class)
        };
        let shown = cells.len().cast_signed();
        let total = shown + (hidden.padding.len() + 1 + hidden.kept.len()).cast_signed();
        // SAFETY: `class` is a ready type with `tp_itemsize` of a pointer. The memory comes zeroed
        // (PyType_GenericAlloc, Objects/typeobject.c), so that the item behind the last is NULL.
        let raw = unsafe { ffi::PyType_GenericAlloc(class.as_ptr().cast(), total + 1) };
        // SAFETY: the result is a new reference, or NULL with an error set.
        let closure = unsafe { Bound::from_owned_ptr_or_err(py, raw) }?;
        let stack = hidden.stack.unwrap_or_else(|| py.None().into_bound(py));
        let items = cells.into_iter().chain(hidden.padding).chain([stack]).chain(hidden.kept);
        for (index, item) in items.enumerate() {
            let slot = item_slot(raw, index);
            // SAFETY: `index < total`, so the slot is inside the object; it holds NULL, and the
            // object takes over the reference. Nothing ran since the allocation that could see it.
            unsafe { slot.write(item.into_ptr()) };
        }
        // SAFETY: `raw` is live and a variable-size object; `shown` is not more than was allocated.
        unsafe { (*raw.cast::<ffi::PyVarObject>()).ob_size = shown };
        #[cfg(Py_3_14)]
        // SAFETY: `raw` has the layout of a tuple; -1 is "not computed yet" (tupleobject.h, 3.14).
        unsafe {
            (*raw.cast::<ffi::PyTupleObject>()).ob_hash = -1;
        }
        Ok(Self(closure))
    }

    /// Returns `None` if [`Closure::new`] did not make `object`.
    pub(crate) fn of(object: &Bound<'py, PyAny>) -> Option<Self> {
        let class = TYPE.get(object.py())?;
        object.get_type().is(class).then(|| Self(object.clone()))
    }

    /// The cells that the tuple shows.
    pub(crate) fn cells(&self) -> Vec<Bound<'py, PyAny>> {
        self.items().take(self.shown()).collect()
    }

    /// How many more cells there are behind them.
    pub(crate) fn padding(&self) -> usize {
        self.items().skip(self.shown()).take_while(is_cell).count()
    }

    /// The patches of the function.
    pub(crate) fn stack(&self) -> Option<Bound<'py, PyAny>> {
        self.behind_the_cells().next().filter(|stack| !stack.is_none())
    }

    /// What else it keeps alive.
    pub(crate) fn kept(&self) -> impl Iterator<Item = Bound<'py, PyAny>> {
        self.behind_the_cells().skip(1)
    }

    fn behind_the_cells(&self) -> impl Iterator<Item = Bound<'py, PyAny>> {
        self.items().skip(self.shown()).skip_while(is_cell)
    }

    pub(crate) fn into_any(self) -> Bound<'py, PyAny> {
        self.0
    }

    fn shown(&self) -> usize {
        // SAFETY: `self.0` is live and a variable-size object.
        let size = unsafe { ffi::Py_SIZE(self.0.as_ptr()) };
        usize::try_from(size).unwrap_or(0)
    }

    fn items(&self) -> impl Iterator<Item = Bound<'py, PyAny>> {
        let py = self.0.py();
        raw_items(self.0.as_ptr()).map(move |item| {
            // SAFETY: `self.0` owns its items, and they are never taken out while it is alive.
            unsafe { Bound::from_borrowed_ptr(py, item) }
        })
    }
}

fn is_cell(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: `object` is live.
    let checked = unsafe { ffi::PyCell_Check(object.as_ptr()) };
    checked == 1
}

/// Where item `index` of a closure tuple is.
fn item_slot(closure: *mut ffi::PyObject, index: usize) -> *mut *mut ffi::PyObject {
    let offset = offset_of!(ffi::PyTupleObject, ob_item);
    closure.wrapping_byte_add(offset).cast::<*mut ffi::PyObject>().wrapping_add(index)
}

/// The items of a closure tuple up to the NULL behind the last.
fn raw_items(closure: *mut ffi::PyObject) -> impl Iterator<Item = *mut ffi::PyObject> {
    (0..)
        .map(move |index| {
            // SAFETY: every item before this one was not NULL, and `Closure::new` allocated one NULL
            // more than there are items, so the slot is inside the object.
            unsafe { item_slot(closure, index).read() }
        })
        .take_while(|item| !item.is_null())
}

/// Makes the heap type: a tuple with a traversal and a destructor that see the hidden items.
fn make_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let tuple = &raw mut ffi::PyTuple_Type;
    // SAFETY: a static type of the interpreter, ready since it started.
    let basic_size = unsafe { (*tuple).tp_basicsize };
    let mut slots = [
        ffi::PyType_Slot { slot: ffi::Py_tp_traverse, pfunc: traverse as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_tp_dealloc, pfunc: dealloc as *mut c_void },
        ffi::PyType_Slot { slot: 0, pfunc: ptr::null_mut() },
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT
        | ffi::Py_TPFLAGS_HAVE_GC
        | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION
        | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: c"hotpatch._native.Closure".as_ptr(),
        basicsize: c_int::try_from(basic_size)?,
        itemsize: c_int::try_from(size_of::<*mut ffi::PyObject>())?,
        flags: flags.try_into()?,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the slots end with the empty one, their functions have the C signatures that the
    // slots ask for, and CPython copies what it needs of `spec`.
    let class = unsafe { ffi::PyType_FromSpecWithBases(&raw mut spec, tuple.cast()) };
    // SAFETY: the result is a new reference, or NULL with an error set.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, class) }?;
    Ok(class.unbind())
}

extern "C" fn traverse(
    closure: *mut ffi::PyObject,
    visit: ffi::visitproc,
    context: *mut c_void,
) -> c_int {
    // SAFETY: the collector passes a live object; an instance of a heap type visits its type (3.9).
    let class = unsafe { ffi::Py_TYPE(closure) };
    // SAFETY: `visit` and `context` come from the collector for exactly this.
    let mut result = unsafe { visit(class.cast(), context) };
    for item in raw_items(closure) {
        if result != 0 {
            break;
        }
        // SAFETY: as above, and `item` is a live object that `closure` owns.
        result = unsafe { visit(item, context) };
    }
    result
}

/// How many destructors may be nested on one thread before further ones wait for the outermost.
const DEEPEST: u32 = 32;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static WAITING: RefCell<Vec<*mut ffi::PyObject>> = const { RefCell::new(Vec::new()) };
}

/// Destroys a closure tuple, but never many inside one another.
///
/// A replacement can be a patched function itself, whose replacement is one too, and so on: a chain of
/// any length. Functions have nothing against deep recursion, and the C stack is small; containers
/// have (`Py_TRASHCAN_BEGIN`, Include/cpython/object.h, 3.10 to 3.13), with a depth of up to 10,000.
extern "C" fn dealloc(closure: *mut ffi::PyObject) {
    // SAFETY: CPython calls this once, with the last reference gone and the GIL held.
    unsafe { ffi::PyObject_GC_UnTrack(closure.cast()) };
    let depth = DEPTH.get();
    if depth == DEEPEST && WAITING.try_with(|waiting| waiting.borrow_mut().push(closure)).is_ok() {
        return;
    }
    DEPTH.set(depth + 1);
    destroy(closure);
    while depth == 0
        && let Ok(Some(next)) = WAITING.try_with(|waiting| waiting.borrow_mut().pop())
    {
        destroy(next);
    }
    DEPTH.set(depth);
}

/// The end of a closure tuple to which no reference is left.
fn destroy(closure: *mut ffi::PyObject) {
    for item in raw_items(closure) {
        // SAFETY: `closure` owned this reference, and nobody can read the slot any more.
        unsafe { ffi::Py_DECREF(item) };
    }
    // SAFETY: the object is still allocated.
    let class = unsafe { ffi::Py_TYPE(closure) };
    // SAFETY: the memory came from PyType_GenericAlloc of a type with the collector's header.
    unsafe { ffi::PyObject_GC_Del(closure.cast()) };
    // SAFETY: an instance of a heap type owns a reference to its type (3.8).
    unsafe { ffi::Py_DECREF(class.cast()) };
}

#[cfg(test)]
mod tests {
    use pyo3::types::PyTuple;

    use super::*;

    fn cell<'py>(value: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
        let types = value.py().import("types").unwrap();
        types.getattr("CellType").unwrap().call1((value,)).unwrap()
    }

    #[test]
    fn shows_the_cells_and_keeps_the_rest() {
        Python::attach(|py| {
            let one = cell(py.None().bind(py));
            let kept = pyo3::types::PyDict::new(py);
            let count = || -> usize {
                let sys = py.import("sys").unwrap();
                sys.call_method1("getrefcount", (&kept,)).unwrap().extract().unwrap()
            };
            let before = count();
            let hidden = Hidden {
                padding: [one.clone(), one.clone()].into_iter().collect(),
                stack: None,
                kept: [kept.clone().into_any(), one.clone()].into_iter().collect(),
            };
            let closure = Closure::new(py, vec![one.clone()], hidden).unwrap();
            assert_eq!(count(), before + 1);
            assert_eq!(closure.padding(), 2);
            assert!(closure.stack().is_none());
            assert!(closure.kept().next().unwrap().is(&kept));
            assert_eq!(closure.kept().count(), 2);

            let shown = closure.into_any();
            assert_eq!(shown.len().unwrap(), 1);
            assert!(shown.cast::<PyTuple>().unwrap().get_item(0).unwrap().is(&one));
            drop(shown);
            assert_eq!(count(), before);
        });
    }

    #[test]
    fn hashes_and_compares_as_the_tuple_it_shows() {
        Python::attach(|py| {
            let stack = pyo3::types::PyDict::new(py).into_any();
            let hidden = Hidden { stack: Some(stack.clone()), ..Hidden::default() };
            let empty = Closure::new(py, vec![], hidden).unwrap();
            assert!(empty.stack().unwrap().is(stack));
            let empty = empty.into_any();
            assert!(empty.eq(PyTuple::empty(py)).unwrap());
            assert_eq!(empty.hash().unwrap(), PyTuple::empty(py).hash().unwrap());
        });
    }
}
