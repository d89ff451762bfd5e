//! Builtin functions: C functions that are objects of their own, such as `time.time`.
//!
//! Such an object points to a definition (`PyMethodDef`: name, address, calling convention, doc) that
//! other objects can share, and has an entry for calls (`vectorcall`). A detour gives it a definition
//! of its own, equal to the other but for the calling convention, and an entry that calls something
//! else. The parts of CPython that would call the C function themselves find no convention that they
//! know and take the entry: the specialised instructions compare `ml_flags` (`CALL_BUILTIN_O` and the
//! like, Python/bytecodes.c, 3.11 to 3.15), and `cfunction_call` (Objects/methodobject.c) looks for
//! `METH_VARARGS`. The address stays, since hash and equality are made of it.

use std::cell::{Cell, UnsafeCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_int};
use std::mem::offset_of;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyTuple, PyWeakrefReference};

use super::call::{call_any, entry_of};
use super::optimizer;
use crate::farewell;
use crate::site::{self, Install as _, Site};

/// What calls of a builtin function reach: `None` is its own C function.
pub(crate) type StoredCallable = Option<Py<PyAny>>;
pub(super) type Callable<'py> = Option<Bound<'py, PyAny>>;
pub(super) type Stack = crate::stack::Stack<StoredCallable>;

/// `PyCFunctionObject` (Include/cpython/methodobject.h, 3.10 to 3.15).
#[repr(C)]
pub(super) struct Object {
    head: UnsafeCell<ffi::PyObject>,
    pub(super) definition: Cell<*mut ffi::PyMethodDef>,
    receiver: Cell<*mut ffi::PyObject>,
    module: Cell<*mut ffi::PyObject>,
    pub(super) weak_references: Cell<*mut ffi::PyObject>,
    entry: Cell<Option<ffi::vectorcallfunc>>,
}

/// `PyCMethodObject` (ibid.): what an object is whose definition has the flag `METH_METHOD`.
#[repr(C)]
struct MethodObject {
    function: Object,
    class: Cell<*mut ffi::PyTypeObject>,
}

/// The definition of a builtin function whose calls go elsewhere. Never freed.
#[repr(C)]
struct Detour {
    /// First: this is what the object points to.
    definition: Cell<ffi::PyMethodDef>,
    own_definition: Cell<*mut ffi::PyMethodDef>,
    own_entry: Cell<Option<ffi::vectorcallfunc>>,
    /// What the definition has for a doc, if it is not the object's own.
    doc: Cell<Option<CString>>,
    /// An object with the same C function that never changes, for other interpreters.
    unpatched: Cell<*mut ffi::PyObject>,
    interpreter: Cell<*mut ffi::PyInterpreterState>,
    /// Where the calls go; NULL while the object does not point here.
    callable: Cell<*mut ffi::PyObject>,
    callable_entry: Cell<ffi::vectorcallfunc>,
    stack: Cell<Option<Box<Stack>>>,
}

impl Detour {
    fn make() -> &'static Self {
        Box::leak(Box::new(Self {
            definition: Cell::new(ffi::PyMethodDef::zeroed()),
            own_definition: Cell::new(ptr::null_mut()),
            own_entry: Cell::new(None),
            doc: Cell::new(None),
            unpatched: Cell::new(ptr::null_mut()),
            interpreter: Cell::new(ptr::null_mut()),
            callable: Cell::new(ptr::null_mut()),
            callable_entry: Cell::new(call_any),
            stack: Cell::new(None),
        }))
    }

    /// What an object with this detour points to.
    fn as_definition(&self) -> *mut ffi::PyMethodDef {
        self.definition.as_ptr()
    }
}

const CONVENTIONS: c_int =
    ffi::METH_VARARGS | ffi::METH_FASTCALL | ffi::METH_NOARGS | ffi::METH_O | ffi::METH_KEYWORDS;

/// The detours of all builtin functions that were ever patched and are still there.
///
/// An object gets the same one again when it is patched again, and a detour whose object is gone goes to
/// another: CPython hands definitions about without counting who has them, so none is ever freed.
static DETOURS: Mutex<Detours> = Mutex::new(Detours { held: BTreeMap::new(), unused: Vec::new() });

struct Detours {
    /// By the address of the object.
    held: BTreeMap<usize, Held>,
    unused: Vec<&'static Detour>,
}

struct Held {
    detour: &'static Detour,
    /// Tells when the object goes: see [`forget`].
    _watch: Py<PyWeakrefReference>,
}

// SAFETY: whoever uses a detour has the GIL.
unsafe impl Send for Detours {}

fn detours() -> MutexGuard<'static, Detours> {
    DETOURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is done when a builtin function that has a detour goes.
fn forget(py: Python<'_>, address: usize) {
    let held = detours().held.remove(&address);
    let Some(Held { detour, _watch }) = held else {
        return;
    };
    let object = ptr::with_exposed_provenance::<Object>(address);
    // SAFETY: CPython tells of the end of an object while its memory is still its own.
    leave(unsafe { &*object }, detour);
    let stack = detour.stack.take();
    let owned = [&detour.callable, &detour.unpatched].map(|it| it.replace(ptr::null_mut()));
    detours().unused.push(detour);
    if let Some(stack) = stack {
        (*stack).release(py);
    }
    for owned in owned {
        // SAFETY: the detour has given up this reference. It can be NULL.
        drop(unsafe { Bound::from_owned_ptr_or_opt(py, owned) });
    }
}

/// Lets a builtin function call its own C function again.
fn leave(object: &Object, detour: &Detour) {
    if object.definition.get() == detour.as_definition() {
        // The entry goes first: it relies on the definition.
        object.entry.set(detour.own_entry.get());
        object.definition.set(detour.own_definition.get());
    }
}

/// The entry of a builtin function with a detour.
unsafe extern "C" fn enter(
    function: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: only a builtin function has this entry, and it is live while it is called.
    let object = unsafe { &*function.cast::<Object>() };
    // SAFETY: only an object that points to a detour has this entry.
    let detour = unsafe { &*object.definition.get().cast::<Detour>() };
    // SAFETY: who calls has the GIL, and so an interpreter.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    let is_elsewhere = interpreter != detour.interpreter.get();
    let (callable, entry) = if is_elsewhere {
        (detour.unpatched.get(), call_any as ffi::vectorcallfunc)
    } else {
        (detour.callable.get(), detour.callable_entry.get())
    };
    // SAFETY: the detour owns it. It can let go of it during the call: hence a reference of our own.
    unsafe { ffi::Py_INCREF(callable) };
    // SAFETY: the arguments are passed on as they came, with what the caller allows to be done to them.
    let result = unsafe { entry(callable, arguments, count, keywords) };
    // SAFETY: the reference taken above.
    unsafe { ffi::Py_DECREF(callable) };
    result
}

/// A builtin function.
#[derive(Clone)]
pub(crate) struct Builtin<'py>(Bound<'py, PyAny>);

/// What a builtin function held at some time.
pub(crate) struct Seen<'py> {
    definition: *mut ffi::PyMethodDef,
    callable: Callable<'py>,
}

impl<'py> Builtin<'py> {
    fn fields(&self) -> &Object {
        // SAFETY: `new` checked the type, whose objects have this layout, and `self` keeps it alive.
        unsafe { &*self.0.as_ptr().cast() }
    }

    /// The detour that its calls take.
    fn detour(&self) -> Option<&'static Detour> {
        let entry = self.fields().entry.get()?;
        if !ptr::fn_addr_eq(entry, enter as ffi::vectorcallfunc) {
            return None;
        }
        // Somebody else may have written one of the fields and not the other.
        self.known_detour().filter(|detour| self.points_to(detour))
    }

    fn points_to(&self, detour: &Detour) -> bool {
        self.fields().definition.get() == detour.as_definition()
    }

    fn address(&self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    fn known_detour(&self) -> Option<&'static Detour> {
        Some(detours().held.get(&self.address())?.detour)
    }

    /// Whether it was patched before.
    pub(crate) fn is_known(&self) -> bool {
        self.known_detour().is_some()
    }

    /// The definition of its C function.
    pub(crate) fn own_definition(&self) -> *mut ffi::PyMethodDef {
        match self.detour() {
            Some(detour) => detour.own_definition.get(),
            None => self.fields().definition.get(),
        }
    }

    /// What it is bound to: an instance, a class, a module, or nothing.
    pub(crate) fn receiver(&self) -> Option<Bound<'py, PyAny>> {
        let receiver = self.fields().receiver.get();
        // SAFETY: the object owns it, if it is not NULL.
        unsafe { Bound::from_borrowed_ptr_or_opt(self.0.py(), receiver) }
    }

    /// Whether it is bound to something that is no module, which its C function gets.
    pub(crate) fn is_bound(&self) -> bool {
        self.receiver().is_some_and(|it| !it.is_none() && !it.is_instance_of::<PyModule>())
    }

    /// Whether the fields are where they are in the versions that hotpatch knows.
    pub(crate) fn has_known_layout(&self) -> bool {
        let object = self.0.as_ptr();
        // SAFETY: a type is live as long as its instances.
        let class = unsafe { &*self.0.get_type_ptr() };
        // SAFETY: `new` checked the type, as for the two calls below.
        let function = unsafe { ffi::PyCFunction_GetFunction(object) };
        // SAFETY: see above.
        let flags = unsafe { ffi::PyCFunction_GetFlags(object) };
        // SAFETY: see above.
        let receiver = unsafe { ffi::PyCFunction_GetSelf(object) };
        if usize::try_from(class.tp_vectorcall_offset) != Ok(offset_of!(Object, entry)) {
            return false;
        }
        // SAFETY: the entry is where it should be, and the definition before it; it points to one.
        let definition = unsafe { &*self.fields().definition.get() };
        // SAFETY: every field of the union is a pointer to a function.
        let own = unsafe { definition.ml_meth.PyCFunction };
        definition.ml_flags == flags
            && function.is_some_and(|function| ptr::fn_addr_eq(function, own))
            && (flags & ffi::METH_STATIC != 0 || self.fields().receiver.get() == receiver)
    }

    /// Another object for the same C function, with the same identity.
    fn unpatched(&self) -> PyResult<Self> {
        self.with_definition(self.own_definition())
    }

    /// Another object with the same receiver, module and class.
    pub(super) fn with_definition(&self, definition: *mut ffi::PyMethodDef) -> PyResult<Self> {
        // SAFETY: a definition lives as long as the objects that point to it; callers have one.
        let flags = unsafe { (*definition).ml_flags };
        let class = if flags & ffi::METH_METHOD == 0 {
            ptr::null_mut()
        } else {
            // SAFETY: with this flag, which is that of its own definition, the object has this layout.
            unsafe { &*self.0.as_ptr().cast::<MethodObject>() }.class.get()
        };
        let Object { receiver, module, .. } = self.fields();
        // SAFETY: what the arguments of one object were is right for another.
        let copy = unsafe { ffi::PyCMethod_New(definition, receiver.get(), module.get(), class) };
        // SAFETY: the result is a new reference, or NULL with an error set.
        unsafe { Bound::from_owned_ptr_or_err(self.0.py(), copy) }.map(Self)
    }

    /// What a call of it does now, in a form that does not change when it is patched.
    pub(crate) fn frozen(&self) -> PyResult<Bound<'py, PyAny>> {
        match self.body()? {
            Some(callable) => Ok(callable),
            None => Ok(self.unpatched()?.0),
        }
    }

    /// The detour for this object: the one that it has, or a new one.
    fn make_detour(&self) -> PyResult<&'static Detour> {
        if let Some(detour) = self.known_detour() {
            let Object { definition, entry, .. } = self.fields();
            let is_as_before = detour.own_definition.get() == definition.get()
                && detour.own_entry.get().map(|it| it as usize)
                    == entry.get().map(|it| it as usize);
            if !self.points_to(detour) && !is_as_before {
                self.adopt(detour)?;
            }
            return Ok(detour);
        }
        let watch = farewell::watch(&self.0, forget)?;
        let unpatched = self.unpatched()?.0;
        let unused = detours().unused.pop();
        let detour = unused.unwrap_or_else(Detour::make);
        let adopted = self.adopt(detour);
        let mut detours = detours();
        // A finalizer that ran meanwhile can have patched it.
        let known = detours.held.get(&self.address()).map(|held| held.detour);
        if known.is_some() || adopted.is_err() {
            detours.unused.push(detour);
            return adopted.map(|()| known.unwrap_or(detour));
        }
        detour.unpatched.set(unpatched.into_ptr());
        // SAFETY: this thread is attached, so it has an interpreter.
        detour.interpreter.set(unsafe { ffi::PyInterpreterState_Get() });
        detours.held.insert(self.address(), Held { detour, _watch: watch.unbind() });
        Ok(detour)
    }

    /// Makes a detour, to which the object does not point, for what the object is now.
    fn adopt(&self, detour: &Detour) -> PyResult<()> {
        let own_definition = self.fields().definition.get();
        // SAFETY: a definition lives as long as the objects that point to it, and `self` does.
        let mut definition = unsafe { own_definition.read() };
        let doc = self.doc_with_signature(&definition)?;
        if let Some(doc) = &doc {
            definition.ml_doc = doc.as_ptr();
        }
        definition.ml_flags = definition.ml_flags & !CONVENTIONS | ffi::METH_KEYWORDS;
        detour.definition.set(definition);
        detour.own_definition.set(own_definition);
        detour.own_entry.set(self.fields().entry.get());
        detour.doc.set(doc);
        Ok(())
    }

    /// A doc from which CPython reads the signature that it takes from the flags otherwise.
    ///
    /// That is what it does since 3.13 where a doc has none (`_PyType_GetTextSignatureFromInternalDoc`,
    /// Objects/typeobject.c).
    fn doc_with_signature(&self, definition: &ffi::PyMethodDef) -> PyResult<Option<CString>> {
        if definition.ml_flags & (ffi::METH_NOARGS | ffi::METH_O) == 0 {
            return Ok(None);
        }
        let signature = self.0.getattr("__text_signature__")?;
        if signature.is_none() {
            return Ok(None);
        }
        // SAFETY: the name of a definition is a C string.
        let name = unsafe { CStr::from_ptr(definition.ml_name) }.to_string_lossy();
        let doc = if definition.ml_doc.is_null() {
            c""
        } else {
            // SAFETY: the doc of a definition is a C string or NULL.
            unsafe { CStr::from_ptr(definition.ml_doc) }
        };
        if doc.to_bytes().starts_with(format!("{name}(").as_bytes()) {
            return Ok(None);
        }
        let mut text = format!("{name}{signature}\n--\n\n").into_bytes();
        text.extend_from_slice(doc.to_bytes());
        Ok(Some(CString::new(text)?))
    }
}

impl<'py> Site<'py> for Builtin<'py> {
    type Stored = StoredCallable;
    type Seen = Seen<'py>;
    type Install = Install<'py>;

    fn new(object: &Bound<'py, PyAny>) -> Option<Self> {
        // SAFETY: `object` is live. The type has one subclass, PyCMethod_Type, and allows no others.
        let checked = unsafe { ffi::PyCFunction_Check(object.as_ptr()) };
        (checked == 1).then(|| Self(object.clone()))
    }

    fn as_any(&self) -> &Bound<'py, PyAny> {
        &self.0
    }

    fn with_stack<T>(&self, action: impl FnOnce(&mut Stack) -> T) -> Option<T> {
        let detour = self.detour()?;
        let mut stack = detour.stack.take()?;
        let outcome = action(&mut stack);
        detour.stack.set(Some(stack));
        Some(outcome)
    }

    fn seen(&self) -> Seen<'py> {
        let callable = self.detour().and_then(|detour| {
            // SAFETY: the detour owns it, if it is not NULL.
            unsafe { Bound::from_borrowed_ptr_or_opt(self.0.py(), detour.callable.get()) }
        });
        Seen { definition: self.fields().definition.get(), callable }
    }

    fn body(&self) -> PyResult<Callable<'py>> {
        Ok(self.seen().callable)
    }

    fn cells_of<'a>(_: &'a Callable<'py>) -> Option<&'a Bound<'py, PyTuple>> {
        None
    }

    fn has_body(&self, body: &StoredCallable) -> bool {
        let expected = body.as_ref().map(Py::as_ptr);
        self.seen().callable.as_ref().map(Bound::as_ptr) == expected
    }

    fn twin(&self, body: Callable<'py>) -> PyResult<Self> {
        let twin = self.unpatched()?;
        drop(twin.prepare(twin.seen(), body, false, None)?.commit(None));
        Ok(twin)
    }

    fn prepare(
        &self,
        seen: Seen<'py>,
        callable: Callable<'py>,
        has_stack: bool,
        _cells: Option<&Bound<'py, PyTuple>>,
    ) -> PyResult<Install<'py>> {
        debug_assert!(callable.is_some() || !has_stack, "a patch says where calls go");
        let detour = callable.is_some().then(|| self.make_detour()).transpose()?;
        Ok(Install { builtin: self.clone(), seen, callable, detour })
    }
}

/// A body that is ready to be given to a builtin function.
pub(crate) struct Install<'py> {
    builtin: Builtin<'py>,
    seen: Seen<'py>,
    callable: Callable<'py>,
    detour: Option<&'static Detour>,
}

impl<'py> site::Install<StoredCallable> for Install<'py> {
    type Replaced = Callable<'py>;

    fn announce(&self) -> PyResult<()> {
        optimizer::forget_traces(self.builtin.0.py());
        Ok(())
    }

    fn is_current(&self) -> bool {
        let now = self.builtin.seen();
        let address = |callable: &Callable<'_>| callable.as_ref().map(Bound::as_ptr);
        now.definition == self.seen.definition
            && address(&now.callable) == address(&self.seen.callable)
    }

    fn take_stack(&self) -> Option<Box<Stack>> {
        self.builtin.detour()?.stack.take()
    }

    fn commit(self, stack: Option<Box<Stack>>) -> Callable<'py> {
        let Self { builtin, callable, detour, .. } = self;
        let object = builtin.fields();
        let old = if let (Some(detour), Some(callable)) = (detour, callable) {
            detour.stack.set(stack);
            detour.callable_entry.set(entry_of(&callable));
            let old = detour.callable.replace(callable.into_ptr());
            // The definition goes first: the entry relies on it.
            object.definition.set(detour.as_definition());
            object.entry.set(Some(enter));
            old
        } else if let Some(detour) = builtin.detour() {
            leave(object, detour);
            detour.callable.replace(ptr::null_mut())
        } else {
            ptr::null_mut()
        };
        // SAFETY: the detour owned it, if it is not NULL, and has given it up.
        unsafe { Bound::from_owned_ptr_or_opt(builtin.0.py(), old) }
    }
}
