//! Methods of C types, such as `dict.get`, those bound to one object, such as `random.random`, and the
//! functions that Cython makes.
//!
//! A definition (`PyMethodDef`) is shared by the descriptor in the class and by every bound method that is
//! made of it, before a patch or later. All of them read the address of the C function from it at each
//! call, and so do CPython's specialised instructions (`CALL_METHOD_DESCRIPTOR_O` and the like,
//! Python/bytecodes.c, 3.11 to 3.15). So the address is what a patch writes; what is written comes from
//! the [`pool`].

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use super::builtin::{Builtin, Callable, Stack, StoredCallable};
use super::call::{entry_of, keeps_itself};
use super::function::Function;
use super::pool::{self, Whose};
use super::{cython, optimizer};
use crate::error::Error;
use crate::patch::Reference;
use crate::signature::Signature;
use crate::site::{self, Install as _, Site};
use crate::transaction::{Group, Groups};

/// `PyMethodDescrObject` (Include/cpython/descrobject.h, 3.10 to 3.15).
#[repr(C)]
struct Descriptor {
    head: ffi::PyObject,
    class: *mut ffi::PyTypeObject,
    name: *mut ffi::PyObject,
    qualified_name: *mut ffi::PyObject,
    definition: *mut ffi::PyMethodDef,
}

/// What has its definition in common with others.
#[derive(Clone)]
pub(crate) struct Method<'py> {
    object: Bound<'py, PyAny>,
    definition: *mut ffi::PyMethodDef,
    form: Form<'py>,
}

#[derive(Clone)]
enum Form<'py> {
    /// The descriptor of a method, in its class.
    Descriptor,
    /// That of a class method.
    ClassDescriptor,
    /// A builtin function that is bound to this.
    Bound(Bound<'py, PyAny>),
    /// See [`cython`].
    CythonFunction,
}

impl<'py> Method<'py> {
    /// The method that a bound builtin method was made of, for what it is bound to.
    pub(crate) fn bound(builtin: &Builtin<'py>, receiver: Bound<'py, PyAny>) -> Self {
        let (object, definition) = (builtin.as_any().clone(), builtin.own_definition());
        Self { object, definition, form: Form::Bound(receiver) }
    }

    /// Whether it was patched before.
    pub(crate) fn is_known(&self) -> bool {
        pool::find(self.definition).is_some()
    }

    pub(crate) fn is_descriptor(&self) -> bool {
        matches!(self.form, Form::Descriptor | Form::ClassDescriptor)
    }

    /// The class that has it, or `None` if what looks like a bound method is not made of one.
    pub(crate) fn class(&self) -> PyResult<Option<Bound<'py, PyType>>> {
        let receiver = match &self.form {
            Form::Bound(receiver) => receiver,
            Form::CythonFunction => return Ok(None),
            _ => return Ok(Some(self.object.getattr("__objclass__")?.cast_into()?)),
        };
        let class = receiver.get_type();
        for class in receiver.cast::<PyType>().ok().into_iter().chain([&class]) {
            for class in class.mro() {
                let class = class.cast_into::<PyType>()?;
                let name = self.object.getattr("__name__")?;
                let found = class.getattr("__dict__")?.call_method1("get", (name,))?;
                let method = Self::new(&found).filter(Self::is_descriptor);
                if method.is_some_and(|method| method.definition == self.definition) {
                    return Ok(Some(class));
                }
            }
        }
        Ok(None)
    }

    /// Whether calls of it go elsewhere now.
    pub(crate) fn is_patched(&self) -> bool {
        self.seen().is_some()
    }

    /// Whether it is a function that Cython made.
    pub(crate) fn is_compiled(&self) -> bool {
        matches!(self.form, Form::CythonFunction)
    }

    /// Whether it is one, and its `__code__` tells of what kind.
    pub(crate) fn knows_its_kind(&self) -> bool {
        self.is_compiled() && cython::knows_its_kind(&self.object)
    }

    /// The flags of its definition (`METH_...`).
    pub(crate) fn flags(&self) -> i32 {
        // SAFETY: a definition lives as long as the objects that point to it, and `self` has one.
        unsafe { (*self.definition).ml_flags }
    }

    /// Whether the definition is where it is in the versions that hotpatch knows.
    pub(crate) fn has_known_layout(&self) -> PyResult<bool> {
        if matches!(self.form, Form::CythonFunction) {
            return Ok(true); // checked when it was recognised
        }
        // SAFETY: as in `flags`.
        let name = unsafe { (*self.definition).ml_name };
        // SAFETY: the name of a definition is a C string.
        let name = unsafe { CStr::from_ptr(name) };
        let shown: String = self.object.getattr("__name__")?.extract()?;
        Ok(name.to_bytes() == shown.as_bytes())
    }

    /// Whether the memory of the definition can be written.
    pub(crate) fn is_writable(&self) -> bool {
        // SAFETY: as in `flags`.
        let field = unsafe { &raw const (*self.definition).ml_meth };
        region::query(field)
            .is_ok_and(|region| region.protection().contains(region::Protection::WRITE))
    }

    fn whose(&self) -> Whose {
        match &self.form {
            Form::Bound(receiver) => Whose::Receiver(receiver.as_ptr()),
            Form::ClassDescriptor => Whose::Subclasses(self.descriptor_class()),
            Form::Descriptor => Whose::Instances(self.descriptor_class()),
            Form::CythonFunction => Whose::Function(self.object.as_ptr()),
        }
    }

    fn descriptor_class(&self) -> *mut ffi::PyTypeObject {
        debug_assert!(self.is_descriptor(), "callers have looked at the form");
        // SAFETY: `object` is a descriptor, which has this layout.
        unsafe { (*self.object.as_ptr().cast::<Descriptor>()).class }
    }

    /// The slot of its definition, if calls come there and nobody else has changed that.
    fn slot(&self) -> Option<usize> {
        pool::find(self.definition).filter(|index| pool::is_connected(*index))
    }

    /// Its definition as it is without patches.
    fn own_definition(&self) -> ffi::PyMethodDef {
        // SAFETY: as in `flags`.
        let mut definition = unsafe { self.definition.read() };
        if let Some(index) = self.slot() {
            definition.ml_meth = pool::own(index);
        }
        definition
    }

    /// Another object for the C function, with the same identity and another definition of that.
    fn unpatched(&self, definition: *mut ffi::PyMethodDef) -> PyResult<Self> {
        let py = self.object.py();
        let (object, form) = match &self.form {
            Form::Bound(receiver) => {
                let builtin = Builtin::new(&self.object).map(|it| it.with_definition(definition));
                let builtin = builtin.ok_or_else(|| PySystemError::new_err("no builtin"))??;
                (builtin.as_any().clone(), Form::Bound(receiver.clone()))
            }
            Form::CythonFunction if !cython::has_receiver(&self.object, self.claim()?)? => {
                (cython::builtin(&self.object, definition)?, Form::Bound(self.object.clone()))
            }
            Form::CythonFunction => {
                let class = cython::class(&self.object)?;
                (descriptor(py, class.as_type_ptr(), definition, false)?, Form::Descriptor)
            }
            Form::Descriptor => {
                (descriptor(py, self.descriptor_class(), definition, false)?, Form::Descriptor)
            }
            Form::ClassDescriptor => {
                (descriptor(py, self.descriptor_class(), definition, true)?, Form::ClassDescriptor)
            }
        };
        Ok(Self { object, definition, form })
    }

    /// The slot of its definition.
    fn claim(&self) -> PyResult<usize> {
        sweep(self.object.py());
        pool::claim(self.definition).ok_or_else(|| {
            PyErr::from(Error::patch(format!(
                "{} C methods are patched already, and there is no place for more; undo some",
                pool::SIZE
            )))
        })
    }

    /// What a call of it does now without patches of its own, in a form that does not change.
    pub(crate) fn frozen(&self) -> PyResult<Bound<'py, PyAny>> {
        // The method may be patched for all receivers.
        if let (Form::Bound(receiver), Some(index)) = (&self.form, self.slot())
            && let Some(callable) = pool::callable_for(index, receiver.as_ptr())
        {
            let py = self.object.py();
            // SAFETY: the slot owns it.
            let callable = unsafe { Bound::from_borrowed_ptr(py, callable) };
            return py.import("types")?.getattr("MethodType")?.call1((callable, receiver));
        }
        Ok(self.unpatched(copy_for_all(self.own_definition()))?.object)
    }
}

/// The originals of undone patches whose calls go elsewhere, and which somebody may still have.
///
/// There is no way to hear that a descriptor goes. So from time to time it is looked whether any of them is
/// nobody else's.
static LEFT: Mutex<Vec<Py<PyAny>>> = Mutex::new(Vec::new());

/// Gives up an original: its slot becomes free when nobody has it any more.
pub(crate) fn discard(original: Bound<'_, PyAny>) {
    let index = Method::new(&original).and_then(|method| pool::find(method.definition));
    if index.is_some_and(pool::is_in_use) {
        let py = original.py();
        LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(original.unbind());
        sweep(py);
    }
}

fn sweep(py: Python<'_>) {
    let mut left = std::mem::take(&mut *LEFT.lock().unwrap_or_else(PoisonError::into_inner));
    if left.is_empty() {
        return;
    }
    let mut released = Vec::new();
    left.retain(|original| {
        // SAFETY: a live object.
        let is_ours_alone = unsafe { ffi::Py_REFCNT(original.as_ptr()) } == 1;
        if is_ours_alone {
            released.push(original.clone_ref(py));
        }
        !is_ours_alone
    });
    LEFT.lock().unwrap_or_else(PoisonError::into_inner).append(&mut left);
    for original in released {
        if let Some(method) = Method::new(original.bind(py))
            && let Some(index) = pool::find(method.definition)
        {
            let callable = pool::with_route(index, method.whose(), |route| route.callable.take());
            pool::connect(index);
            // SAFETY: the slot owned it, and has given it up.
            drop(callable.map(|it| unsafe { Bound::from_owned_ptr(py, it.as_ptr()) }));
        }
    }
}

/// Puts a definition where it stays. CPython hands them about without counting who has them.
fn leak(definition: ffi::PyMethodDef) -> *mut ffi::PyMethodDef {
    ptr::from_mut(Box::leak(Box::new(definition)))
}

/// A copy of a definition that is made once, and never patched.
fn copy_for_all(definition: ffi::PyMethodDef) -> *mut ffi::PyMethodDef {
    /// By name, C function, flags and doc.
    type Copies = BTreeMap<(usize, usize, i32, usize), usize>;
    static COPIES: Mutex<Copies> = Mutex::new(BTreeMap::new());
    let ffi::PyMethodDef { ml_name: name, ml_meth: function, ml_flags: flags, ml_doc: doc } =
        definition;
    // SAFETY: every field of the union is a pointer to a function.
    let function = unsafe { function.PyCFunction } as usize;
    let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
    let copy = copies
        .entry((name.addr(), function, flags, doc.addr()))
        .or_insert_with(|| leak(definition).expose_provenance());
    ptr::with_exposed_provenance_mut(*copy)
}

/// A new descriptor of a method of `class`.
fn descriptor(
    py: Python<'_>,
    class: *mut ffi::PyTypeObject,
    definition: *mut ffi::PyMethodDef,
    is_class_method: bool,
) -> PyResult<Bound<'_, PyAny>> {
    let made = if is_class_method {
        // SAFETY: callers have a live class and a definition that lives for ever.
        unsafe { ffi::PyDescr_NewClassMethod(class, definition) }
    } else {
        // SAFETY: as above.
        unsafe { ffi::PyDescr_NewMethod(class, definition) }
    };
    // SAFETY: the result is a new reference, or NULL with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, made) }
}

impl<'py> Site<'py> for Method<'py> {
    type Stored = StoredCallable;
    type Seen = Callable<'py>;
    type Install = Install<'py>;

    /// Takes every bound builtin method: see [`Method::class`].
    fn new(object: &Bound<'py, PyAny>) -> Option<Self> {
        if let Some(builtin) = Builtin::new(object) {
            return builtin.receiver().map(|receiver| Self::bound(&builtin, receiver));
        }
        let class = object.get_type_ptr();
        let form = if class == &raw mut ffi::PyMethodDescr_Type {
            Form::Descriptor
        } else if class == &raw mut ffi::PyClassMethodDescr_Type {
            Form::ClassDescriptor
        } else if cython::is_function(object) {
            let definition = cython::definition(object);
            return Some(Self { object: object.clone(), definition, form: Form::CythonFunction });
        } else {
            return None;
        };
        // SAFETY: both types have this layout, and neither can be subclassed.
        let definition = unsafe { (*object.as_ptr().cast::<Descriptor>()).definition };
        Some(Self { object: object.clone(), definition, form })
    }

    fn as_any(&self) -> &Bound<'py, PyAny> {
        &self.object
    }

    fn is_same(&self, other: &Self) -> bool {
        self.definition == other.definition && self.whose() == other.whose()
    }

    fn groups<'g>(groups: &'g mut Groups<'py>) -> &'g mut Vec<Group<'py, Self>> {
        &mut groups.methods
    }

    fn with_stack<T>(&self, action: impl FnOnce(&mut Stack) -> T) -> Option<T> {
        let index = self.slot()?;
        let mut stack = pool::with_route(index, self.whose(), |route| route.stack.take())?;
        let outcome = action(&mut stack);
        pool::with_route(index, self.whose(), |route| route.stack.set(Some(stack)));
        Some(outcome)
    }

    /// A descriptor has no place for a weak reference, and a bound method is made anew each time.
    fn reference(&self) -> PyResult<Reference> {
        Ok(Reference::Strong(self.object.clone().unbind()))
    }

    fn seen(&self) -> Callable<'py> {
        let callable = pool::with_route(self.slot()?, self.whose(), |route| route.callable.get())?;
        // SAFETY: the slot owns it.
        Some(unsafe { Bound::from_borrowed_ptr(self.object.py(), callable.as_ptr()) })
    }

    fn body(&self) -> PyResult<Callable<'py>> {
        Ok(self.seen())
    }

    fn cells_of<'a>(_: &'a Callable<'py>) -> Option<&'a Bound<'py, PyTuple>> {
        None
    }

    fn has_body(&self, body: &StoredCallable) -> bool {
        self.seen().as_ref().map(Bound::as_ptr) == body.as_ref().map(Py::as_ptr)
    }

    fn signature(&self, callable: &Callable<'py>) -> PyResult<Option<Signature<'py>>> {
        Signature::of(callable.as_ref().unwrap_or(self.as_any()))
    }

    fn calling(&self, function: &Function<'py>, _: &Callable<'py>) -> PyResult<Callable<'py>> {
        Ok(Some(function.as_any().clone()))
    }

    fn twin(&self, body: Callable<'py>) -> PyResult<Self> {
        let twin = self.unpatched(leak(self.own_definition()))?;
        twin.prepare(twin.seen(), body, false, None)?.commit(None);
        Ok(twin)
    }

    fn prepare(
        &self,
        seen: Callable<'py>,
        callable: Callable<'py>,
        _has_stack: bool,
        _cells: Option<&Bound<'py, PyTuple>>,
    ) -> PyResult<Install<'py>> {
        let index = match &callable {
            Some(_) => Some(self.claim()?),
            None => pool::find(self.definition),
        };
        Ok(Install { method: self.clone(), seen, callable, index })
    }
}

/// A body that is ready to be given to a method.
pub(crate) struct Install<'py> {
    method: Method<'py>,
    seen: Callable<'py>,
    callable: Callable<'py>,
    /// None if it is to call its C function, as it always has.
    index: Option<usize>,
}

impl site::Install<StoredCallable> for Install<'_> {
    fn announce(&self) -> PyResult<()> {
        optimizer::forget_traces(self.method.object.py());
        Ok(())
    }

    fn is_current(&self) -> bool {
        let address = |callable: &Callable<'_>| callable.as_ref().map(Bound::as_ptr);
        pool::find(self.method.definition) == self.index
            && address(&self.method.seen()) == address(&self.seen)
    }

    fn take_stack(&self) -> Option<Box<Stack>> {
        pool::with_route(self.index?, self.method.whose(), |route| route.stack.take())
    }

    fn commit(&mut self, stack: Option<Box<Stack>>) {
        let Self { method, callable, index: Some(index), .. } = self else {
            return;
        };
        let (index, callable) = (*index, callable.take());
        let entry = callable.as_ref().map(entry_of);
        let needs_reference = !callable.as_ref().is_some_and(keeps_itself);
        let callable = callable.and_then(|callable| NonNull::new(callable.into_ptr()));
        let old = pool::with_route(index, method.whose(), |route| {
            route.stack.set(stack);
            route.entry.set(entry);
            route.needs_reference.set(needs_reference);
            route.callable.replace(callable)
        });
        pool::connect(index);
        // SAFETY: the slot owned it, and has given it up.
        self.callable =
            old.map(|old| unsafe { Bound::from_owned_ptr(method.object.py(), old.as_ptr()) });
    }
}
