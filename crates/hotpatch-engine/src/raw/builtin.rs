//! Builtin functions: C functions that are objects of their own, such as `time.time`.
//!
//! What a patched one points to, and why, stands in [`detour`].

use std::cell::Cell;
use std::ffi::{CStr, CString, c_int};
use std::mem::offset_of;
use std::ptr;

use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyTuple};

use super::call::{entry_of, keeps_itself};
use super::detour::{self, Detour, Held, Object, detours};
use super::function::Function;
use super::optimizer;
use crate::farewell;
use crate::signature::Signature;
use crate::site::{self, Install as _, Site};
use crate::transaction::{Group, Groups};

/// What calls of a builtin function reach: `None` is its own C function.
pub(crate) type StoredCallable = Option<Py<PyAny>>;
pub(super) type Callable<'py> = Option<Bound<'py, PyAny>>;
pub(super) type Stack = crate::stack::Stack<StoredCallable>;

/// `PyCMethodObject` (ibid.): what an object is whose definition has the flag `METH_METHOD`.
#[repr(C)]
struct MethodObject {
    function: Object,
    class: Cell<*mut ffi::PyTypeObject>,
}

const CONVENTIONS: c_int =
    ffi::METH_VARARGS | ffi::METH_FASTCALL | ffi::METH_NOARGS | ffi::METH_O | ffi::METH_KEYWORDS;

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
        if !detour::ENTRIES.iter().flatten().any(|ours| ptr::fn_addr_eq(*ours, entry)) {
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

    /// Whether other interpreters can have it: not if it is of a module that each of them makes for itself
    /// (PEP 489). The dict of another module is copied.
    fn is_shared(&self) -> bool {
        let Some(module) = self.receiver().filter(PyAnyMethods::is_instance_of::<PyModule>) else {
            return true;
        };
        // SAFETY: a module.
        let definition = unsafe { ffi::PyModule_GetDef(module.as_ptr()) };
        // SAFETY: a module keeps its definition, if it has one.
        definition.is_null() || unsafe { (*definition).m_slots.is_null() }
    }

    /// Another object for the same C function, with the same identity.
    pub(crate) fn unpatched(&self) -> PyResult<Self> {
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

    /// The detour for this object: the one that it has, or a new one.
    fn make_detour(&self) -> PyResult<&'static Detour> {
        if self.known_detour().is_none() {
            let watch = farewell::watch(&self.0, detour::forget)?;
            let mut detours = detours();
            // A finalizer that ran meanwhile can have patched it.
            if !detours.held.contains_key(&self.address()) {
                let detour = detours.unused.pop().unwrap_or_else(Detour::make);
                detour.own_definition.set(ptr::null_mut());
                detour.is_shared.set(self.is_shared());
                // SAFETY: this thread is attached, so it has an interpreter.
                detour.interpreter.set(unsafe { ffi::PyInterpreterState_Get() });
                detours.held.insert(self.address(), Held { detour, watch: watch.unbind() });
            }
        }
        let detour = self.known_detour().ok_or_else(|| PySystemError::new_err("no detour"))?;
        self.adopt(detour)?;
        Ok(detour)
    }

    /// Makes its detour fit for what the object is now, unless it points there.
    fn adopt(&self, detour: &Detour) -> PyResult<()> {
        if self.points_to(detour) {
            return Ok(());
        }
        let Object { definition, entry, .. } = self.fields();
        let (own_definition, own_entry) = (definition.get(), entry.get());
        let address = |entry: Option<ffi::vectorcallfunc>| entry.map(|it| it as usize);
        let is_as_before = detour.own_definition.get() == own_definition
            && address(detour.own_entry.get()) == address(own_entry);
        // SAFETY: a definition lives as long as the objects that point to it, and `self` does.
        let mut definition = unsafe { own_definition.read() };
        let doc = if is_as_before { None } else { self.doc_with_signature(&definition)? };
        let is_shared = detour.is_shared.get();
        let unpatched = is_shared.then(|| self.with_definition(own_definition)).transpose()?;
        // What has run meanwhile can have patched it.
        if self.points_to(detour) {
            return Ok(());
        }
        if !is_as_before {
            if let Some(doc) = &doc {
                definition.ml_doc = doc.as_ptr();
            }
            definition.ml_flags = definition.ml_flags & !CONVENTIONS | ffi::METH_KEYWORDS;
            detour.definition.set(definition);
            detour.own_definition.set(own_definition);
            detour.own_entry.set(own_entry);
            detour.doc.set(doc);
        }
        let unpatched = unpatched.map_or(ptr::null_mut(), |unpatched| unpatched.0.into_ptr());
        let unpatched = detour.unpatched.replace(unpatched);
        // SAFETY: the detour has given up this reference. It can be NULL.
        drop(unsafe { Bound::from_owned_ptr_or_opt(self.0.py(), unpatched) });
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

    fn groups<'g>(groups: &'g mut Groups<'py>) -> &'g mut Vec<Group<'py, Self>> {
        &mut groups.builtins
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

    fn signature(&self, callable: &Callable<'py>) -> PyResult<Option<Signature<'py>>> {
        Signature::of(callable.as_ref().unwrap_or(self.as_any()))
    }

    fn calling(&self, function: &Function<'py>, _: &Callable<'py>) -> PyResult<Callable<'py>> {
        Ok(Some(function.as_any().clone()))
    }

    fn twin(&self, body: Callable<'py>) -> PyResult<Self> {
        let twin = self.unpatched()?;
        twin.prepare(twin.seen(), body, false, None)?.commit(None);
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
        Ok(Install { builtin: self.clone(), seen, callable, detour, replaced: [None, None] })
    }
}

/// A body that is ready to be given to a builtin function.
pub(crate) struct Install<'py> {
    builtin: Builtin<'py>,
    seen: Seen<'py>,
    callable: Callable<'py>,
    detour: Option<&'static Detour>,
    replaced: [Callable<'py>; 2],
}

impl site::Install<StoredCallable> for Install<'_> {
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

    fn commit(&mut self, stack: Option<Box<Stack>>) {
        let Self { builtin, callable, detour, .. } = self;
        let object = builtin.fields();
        let (old, mut unpatched) = (builtin.detour(), ptr::null_mut());
        let old = if let (Some(detour), Some(callable)) = (detour, callable.take()) {
            detour.stack.set(stack);
            detour.callable_entry.set(entry_of(&callable));
            let needs_reference = !keeps_itself(&callable);
            let entry =
                detour::ENTRIES[usize::from(detour.is_shared.get())][usize::from(needs_reference)];
            let old = detour.callable.replace(callable.into_ptr());
            // The definition goes first: the entry relies on it.
            object.definition.set(detour.as_definition());
            object.entry.set(Some(entry));
            old
        } else if let Some(detour) = old {
            detour::leave(object, detour);
            // It refers to what the object is bound to, which may refer to the object.
            unpatched = detour.unpatched.replace(ptr::null_mut());
            detour.callable.replace(ptr::null_mut())
        } else {
            ptr::null_mut()
        };
        let py = builtin.0.py();
        // SAFETY: the detour owned both, if they are not NULL, and has given them up.
        self.replaced = [old, unpatched].map(|it| unsafe { Bound::from_owned_ptr_or_opt(py, it) });
    }
}
