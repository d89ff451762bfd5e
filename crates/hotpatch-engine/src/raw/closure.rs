//! A tuple of closure cells that keeps more alive than it shows.
//!
//! `__closure__` is the one field of a function that the garbage collector visits, that Python code
//! cannot assign, and whose length nobody reads at a call. So what must live exactly as long as a
//! function, or as long as a patch of it, hangs there:
//!
//! ```text
//!   ob_size counts these      and nobody but this file sees these
//!  ┌───────────┬───────────┐ ┌─────────┬──────┬──────────────┬──────┬───────┐
//!  │ cell 0    │ cell n-1  │ │ padding │ NULL │ kept objects │ NULL │ stack │
//!  └───────────┴───────────┘ └─────────┴──────┴──────────────┴──────┴───────┘
//! ```
//!
//! *Padding* are cells behind those of the code that is installed: a call that was binding its
//! arguments when the body was swapped still copies as many cells as its own code has
//! (`COPY_FREE_VARS`, Python/bytecodes.c), and reads them without looking at the length.
//!
//! The *stack* are the patches of the function: a `Box` that this tuple owns, or NULL.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use smallvec::SmallVec;

use super::function::Stack;

static TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A few references.
pub(crate) type Few<'py> = SmallVec<[Bound<'py, PyAny>; 4]>;

/// What a closure tuple keeps alive behind the cells that it shows, its stack apart.
#[derive(Default)]
pub(crate) struct Hidden<'py> {
    /// Cells.
    pub(crate) padding: Few<'py>,
    /// Globals and builtins, mostly: any objects.
    pub(crate) kept: Few<'py>,
}

impl Hidden<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.padding.is_empty() && self.kept.is_empty()
    }
}

/// A tuple of cells made by [`Closure::new`].
pub(crate) struct Closure<'py>(Bound<'py, PyAny>);

impl<'py> Closure<'py> {
    /// Makes a tuple that shows `cells`, also owns what is in `hidden`, and has no stack yet.
    pub(crate) fn new(
        py: Python<'py>,
        cells: Option<&Bound<'py, PyTuple>>,
        hidden: Hidden<'py>,
    ) -> PyResult<Self> {
        // Not `get_or_init`: the collector can run finalizers in between, and they can come here.
        let class = if let Some(class) = TYPE.get(py) {
            class
        } else {
            let class = make_type(py)?;
            TYPE.get_or_init(py, || class)
        };
        let shown = cells.map_or(0, PyTupleMethods::len);
        let cells_end = shown + hidden.padding.len();
        let total = cells_end + 1 + hidden.kept.len() + 1 + 1;
        // SAFETY: `class` is a ready type with `tp_itemsize` of a pointer. The memory comes zeroed
        // (PyType_GenericAlloc, Objects/typeobject.c): the two ends and the stack are NULL.
        let raw = unsafe { ffi::PyType_GenericAlloc(class.as_ptr().cast(), total.cast_signed()) };
        // SAFETY: the result is a new reference, or NULL with an error set.
        let closure = unsafe { Bound::from_owned_ptr_or_err(py, raw) }?;
        let fill = |first: usize, items: &mut dyn Iterator<Item = Bound<'py, PyAny>>| {
            for (index, item) in items.enumerate() {
                let slot = item_slot(raw, first + index);
                // SAFETY: the slot is one of the `total` in the object; it holds NULL, and the object
                // takes over the reference. Nothing ran since the allocation that could see it.
                unsafe { slot.write(item.into_ptr()) };
            }
        };
        if let Some(cells) = cells {
            fill(0, &mut cells.iter());
        }
        fill(shown, &mut hidden.padding.into_iter());
        fill(cells_end + 1, &mut hidden.kept.into_iter());
        // SAFETY: `raw` is live and a variable-size object; `shown` is not more than was allocated.
        unsafe { (*raw.cast::<ffi::PyVarObject>()).ob_size = shown.cast_signed() };
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
        let is_ours = object.get_type_ptr().cast() == class.as_ptr();
        is_ours.then(|| Self(object.clone()))
    }

    /// The cells that the tuple shows.
    pub(crate) fn cells(&self) -> Vec<Bound<'py, PyAny>> {
        self.run_from(0).take(self.shown()).collect()
    }

    /// How many cells there are, those behind the shown ones included.
    pub(crate) fn cell_count(&self) -> usize {
        run(self.0.as_ptr(), 0).count()
    }

    /// What else it keeps alive.
    pub(crate) fn kept(&self) -> impl Iterator<Item = Bound<'py, PyAny>> {
        self.run_from(self.cell_count() + 1)
    }

    /// Takes the stack off, to look at it for a moment or to hang it elsewhere.
    ///
    /// Until it hangs again the garbage collector does not see what the stack keeps alive, and takes
    /// all of that for reachable.
    pub(crate) fn take_stack(&self) -> Option<Box<Stack>> {
        take_stack(self.0.as_ptr())
    }

    /// Hangs a stack on it.
    pub(crate) fn hang(&self, stack: Box<Stack>) {
        let slot = stack_slot(self.0.as_ptr());
        // SAFETY: `self.0` is live, so the slot is inside of it. Whoever reads or writes it has the
        // GIL, as this thread has, and runs no Python code meanwhile.
        let before = unsafe { slot.replace(Box::into_raw(stack)) };
        debug_assert!(before.is_null(), "a function has one stack");
    }

    /// The closure as a function has it.
    pub(crate) fn as_any(&self) -> &Bound<'py, PyAny> {
        &self.0
    }

    fn shown(&self) -> usize {
        // SAFETY: `self.0` is live and a variable-size object.
        let size = unsafe { ffi::Py_SIZE(self.0.as_ptr()) };
        usize::try_from(size).unwrap_or(0)
    }

    fn run_from(&self, first: usize) -> impl Iterator<Item = Bound<'py, PyAny>> {
        let py = self.0.py();
        run(self.0.as_ptr(), first).map(move |item| {
            // SAFETY: `self.0` owns its items, and they are never taken out while it is alive.
            unsafe { Bound::from_borrowed_ptr(py, item) }
        })
    }
}

/// Where item `index` of a closure tuple is.
fn item_slot(closure: *mut ffi::PyObject, index: usize) -> *mut *mut ffi::PyObject {
    let offset = offset_of!(ffi::PyTupleObject, ob_item);
    closure.wrapping_byte_add(offset).cast::<*mut ffi::PyObject>().wrapping_add(index)
}

/// The items of a closure tuple from `first` up to the next NULL.
fn run(closure: *mut ffi::PyObject, first: usize) -> impl Iterator<Item = *mut ffi::PyObject> {
    (first..)
        .map(move |index| {
            // SAFETY: every item before this one was not NULL, and `Closure::new` puts a NULL behind
            // the cells and one behind the kept objects, so the slot is inside the object.
            unsafe { item_slot(closure, index).read() }
        })
        .take_while(|item| !item.is_null())
}

/// All the items of a closure tuple.
fn items(closure: *mut ffi::PyObject) -> impl Iterator<Item = *mut ffi::PyObject> {
    run(closure, 0).chain(run(closure, run(closure, 0).count() + 1))
}

/// Where the stack of a closure tuple is: behind the second NULL.
fn stack_slot(closure: *mut ffi::PyObject) -> *mut *mut Stack {
    let kept = run(closure, 0).count() + 1;
    let end = kept + run(closure, kept).count();
    item_slot(closure, end + 1).cast()
}

fn take_stack(closure: *mut ffi::PyObject) -> Option<Box<Stack>> {
    let slot = stack_slot(closure);
    // SAFETY: callers pass a closure tuple that is still allocated, so the slot is inside of it. They
    // have the GIL, as whoever else reads or writes the slot, and run no Python code meanwhile.
    let stack = unsafe { slot.replace(ptr::null_mut()) };
    // SAFETY: what is in the slot came from `Box::into_raw`, and now it is in no slot any more.
    (!stack.is_null()).then(|| unsafe { Box::from_raw(stack) })
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
    let mut visit = |item| {
        if result == 0 {
            // SAFETY: as above, and `item` is a live object that `closure` owns.
            result = unsafe { visit(item, context) };
        }
    };
    items(closure).for_each(&mut visit);
    // SAFETY: the slot is inside of the live object.
    let stack = unsafe { stack_slot(closure).read() };
    // SAFETY: the slot holds NULL or a stack that `closure` owns. Whoever changes a stack takes it out
    // of its slot first, so nothing else refers to it.
    if let Some(stack) = unsafe { stack.as_ref() } {
        stack.references(|object| visit(object.as_ptr()));
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
    if let Some(stack) = take_stack(closure) {
        // SAFETY: CPython destroys objects with the GIL held.
        let py = unsafe { Python::assume_attached() };
        (*stack).release(py);
    }
    for item in items(closure) {
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
    use pyo3::types::PyDict;

    use super::*;
    use crate::raw::body::StoredBody;
    use crate::raw::function::Function;
    use crate::site::{Site, Stored as _};

    fn cell<'py>(value: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
        let types = value.py().import("types").unwrap();
        types.getattr("CellType").unwrap().call1((value,)).unwrap()
    }

    fn reference_count(object: &Bound<'_, PyAny>) -> usize {
        let sys = object.py().import("sys").unwrap();
        sys.call_method1("getrefcount", (object,)).unwrap().extract().unwrap()
    }

    #[test]
    fn shows_the_cells_and_keeps_the_rest() {
        Python::attach(|py| {
            let one = cell(py.None().bind(py));
            let kept = PyDict::new(py).into_any();
            let before = reference_count(&kept);
            let hidden = Hidden {
                padding: [one.clone(), one.clone()].into_iter().collect(),
                kept: [kept.clone(), one.clone()].into_iter().collect(),
            };
            let cells = PyTuple::new(py, [&one]).unwrap();
            let closure = Closure::new(py, Some(&cells), hidden).unwrap();
            assert_eq!(reference_count(&kept), before + 1);
            assert_eq!(closure.cell_count(), 3);
            assert!(closure.kept().next().unwrap().is(&kept));
            assert_eq!(closure.kept().count(), 2);

            let shown = closure.0;
            assert!(shown.eq(cells).unwrap());
            drop(shown);
            assert_eq!(reference_count(&kept), before);
        });
    }

    #[test]
    fn owns_the_stack_that_hangs_on_it() {
        Python::attach(|py| {
            let function = py.eval(c"lambda: None", None, None).unwrap();
            let base = Function::new(&function).unwrap().body().unwrap();
            let code = base.code().unwrap().clone();
            let before = reference_count(&code);
            let kept = [py.None().into_bound(py)].into_iter().collect();
            let hidden = Hidden { kept, ..Hidden::default() };
            let closure = Closure::new(py, None, hidden).unwrap();
            assert!(closure.take_stack().is_none());
            closure.hang(Box::new(Stack::new(StoredBody::unbind(base))));
            let stack = closure.take_stack().unwrap();
            assert!(closure.take_stack().is_none());
            closure.hang(stack);
            assert_eq!(reference_count(&code), before);
            drop(closure);
            assert_eq!(reference_count(&code), before - 1);
        });
    }

    #[test]
    fn hashes_and_compares_as_the_tuple_it_shows() {
        Python::attach(|py| {
            let kept = [PyDict::new(py).into_any()].into_iter().collect();
            let empty = Closure::new(py, None, Hidden { kept, ..Hidden::default() }).unwrap().0;
            assert!(empty.eq(PyTuple::empty(py)).unwrap());
            assert_eq!(empty.hash().unwrap(), PyTuple::empty(py).hash().unwrap());
        });
    }
}
