//! Slots for the definitions of C methods that are patched: who gets a call instead of the C function.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::ffi;
use smallvec::SmallVec;

use super::builtin::Stack;
use super::conventions;

pub(super) type Object = *mut ffi::PyObject;

/// How many definitions can be patched at the same time.
pub(super) const SIZE: usize = 1024;

/// Where the calls go that one receiver gets, or every receiver, and the patches that say so.
#[derive(Default)]
pub(super) struct Route {
    /// Owned. Without it the C function is called.
    pub(super) callable: Cell<Option<NonNull<ffi::PyObject>>>,
    /// How to call it: see [`entry_of`](super::call::entry_of).
    pub(super) entry: Cell<Option<ffi::vectorcallfunc>>,
    pub(super) needs_reference: Cell<bool>,
    pub(super) stack: Cell<Option<Box<Stack>>>,
}

/// What stands in for the C function of one definition.
struct Slot {
    /// NULL until the slot is used for the first time.
    definition: Cell<*mut ffi::PyMethodDef>,
    /// The C function. Interpreters with a GIL of their own read this and the next field, and no other.
    own: AtomicPtr<c_void>,
    interpreter: AtomicPtr<ffi::PyInterpreterState>,
    /// In the order in which they are asked whether they mean a call.
    routes: RefCell<Vec<(Whose, Route)>>,
    /// The route, if there is only one. Nearly every call needs no more than that.
    only: Cell<Option<Detour>>,
}

/// Whose calls of a definition are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of one receiver, which its patches keep alive.
    Receiver(Object),
    /// Those of the instances of a class. Classes can share a definition, as the iterators of dicts do.
    Instances(*mut ffi::PyTypeObject),
    /// Those of a class method of a class, for that class and its subclasses.
    Subclasses(*mut ffi::PyTypeObject),
    /// Those of a function that Cython made: it is the receiver itself, unless it is a method.
    Function(Object),
    /// All.
    Everyone,
}

impl Whose {
    /// Whether calls for `receiver` are meant.
    fn includes(self, receiver: Object) -> bool {
        // SAFETY: CPython calls a method with a live receiver, and patches keep a function alive.
        let type_of = |object| unsafe { ffi::Py_TYPE(object) };
        match self {
            Self::Receiver(own) => own == receiver,
            // SAFETY: both are types, and a class has its methods.
            Self::Instances(class) => unsafe { is_subtype(type_of(receiver), class) },
            // SAFETY: CPython calls a class method with a class.
            Self::Subclasses(class) => unsafe { is_subtype(receiver.cast(), class) },
            // Functions that one `def` made share its definition: another of them is not meant.
            Self::Function(own) => own == receiver || type_of(own) != type_of(receiver),
            Self::Everyone => true,
        }
    }

    /// Whether the receiver is the first argument of the call.
    fn is_argument(self, receiver: Object) -> bool {
        !matches!(self, Self::Receiver(own) | Self::Function(own) if own == receiver)
    }

    /// Whether it means all that `other` means: that is asked last.
    fn is_wider_than(self, other: Self) -> bool {
        match (self, other) {
            (Self::Instances(class), Self::Instances(inner))
            | (Self::Subclasses(class), Self::Subclasses(inner)) => {
                // SAFETY: patches keep the methods alive, and those their classes.
                unsafe { is_subtype(inner, class) }
            }
            (_, Self::Receiver(_) | Self::Function(_) | Self::Everyone) => true,
            _ => false,
        }
    }
}

/// Whether a type is another one or has it among its bases.
///
/// # Safety
///
/// Both are live types.
unsafe fn is_subtype(class: *mut ffi::PyTypeObject, base: *mut ffi::PyTypeObject) -> bool {
    // SAFETY: the caller has two types.
    class == base || unsafe { ffi::PyType_IsSubtype(class, base) } != 0
}

struct Slots([Slot; SIZE]);

// SAFETY: whoever uses a slot has the GIL of the interpreter that patches; others read atomic fields.
unsafe impl Sync for Slots {}

static SLOTS: Slots = Slots(
    [const {
        Slot {
            definition: Cell::new(ptr::null_mut()),
            own: AtomicPtr::new(ptr::null_mut()),
            interpreter: AtomicPtr::new(ptr::null_mut()),
            routes: RefCell::new(Vec::new()),
            only: Cell::new(None),
        }
    }; SIZE],
);

/// Which slot a definition has. It keeps it when it is unpatched, until another needs it: an address
/// that somebody has noted then still leads to the right C function.
static PLACES: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// The slot that `definition` has.
pub(super) fn find(definition: *mut ffi::PyMethodDef) -> Option<usize> {
    let places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    places.get(&definition.addr()).copied()
}

/// The slot that `definition` has, or one that nobody uses now; `None` if all are in use.
pub(super) fn claim(definition: *mut ffi::PyMethodDef) -> Option<usize> {
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    let index = match places.get(&definition.addr()) {
        Some(index) if SLOTS.0[*index].is_in_use() => return Some(*index),
        Some(index) => *index,
        None if places.len() < SIZE => places.len(),
        None => (0..SIZE).find(|index| !SLOTS.0[*index].is_in_use())?,
    };
    let slot = &SLOTS.0[index];
    places.remove(&slot.definition.replace(definition).addr());
    places.insert(definition.addr(), index);
    // SAFETY: a definition lives as long as the objects that point to it, and the caller has one.
    let ffi::PyMethodDef { ml_meth: own, ml_flags: flags, .. } = unsafe { definition.read() };
    // Since the slot was used, somebody else may have put another function there, or another definition.
    // Our own, put back by one who saw it there, would call itself.
    if is_same(own, conventions::function(index, flags)) {
        return Some(index);
    }
    // SAFETY: every field of the union is a pointer to a function.
    slot.own.store(unsafe { own.PyCFunction } as *mut c_void, Ordering::Release);
    // SAFETY: this thread is attached, so it has an interpreter.
    slot.interpreter.store(unsafe { ffi::PyInterpreterState_Get() }, Ordering::Release);
    Some(index)
}

impl Slot {
    /// Whether calls of the definition go elsewhere, for anyone.
    fn is_in_use(&self) -> bool {
        !self.routes.borrow().is_empty()
    }

    fn own(&self) -> ffi::PyMethodDefPointer {
        let own = self.own.load(Ordering::Acquire);
        // SAFETY: `claim` took it from such a union before anybody could call a function of this slot.
        unsafe { std::mem::transmute::<*mut c_void, ffi::PyMethodDefPointer>(own) }
    }

    /// What should be in the definition now.
    fn function(&self, index: usize) -> ffi::PyMethodDefPointer {
        if !self.is_in_use() {
            return self.own();
        }
        // SAFETY: the definition of a slot is live: see `claim`.
        let flags = unsafe { (*self.definition.get()).ml_flags };
        conventions::function(index, flags)
    }
}

/// The route for `whose` calls.
///
/// `action` must not run Python code.
pub(super) fn with_route<T>(index: usize, whose: Whose, action: impl FnOnce(&Route) -> T) -> T {
    let mut routes = SLOTS.0[index].routes.borrow_mut();
    let place = routes.iter().position(|(other, _)| *other == whose).unwrap_or_else(|| {
        let place = routes.iter().position(|(other, _)| other.is_wider_than(whose));
        let place = place.unwrap_or(routes.len());
        routes.insert(place, (whose, Route::default()));
        place
    });
    let outcome = action(&routes[place].1);
    routes.retain(|(_, route)| route.callable.get().is_some());
    outcome
}

/// Lets calls of the definition of a slot take the routes in it, or reach the C function again.
pub(super) fn connect(index: usize) {
    let slot = &SLOTS.0[index];
    let only = match slot.routes.borrow().as_slice() {
        [route] => Detour::of(route),
        _ => None,
    };
    slot.only.set(only);
    // SAFETY: the definition of a slot is live, see `claim`, and in memory that can be written: that was
    // checked before the patch.
    unsafe { (*slot.definition.get()).ml_meth = slot.function(index) };
}

/// Whether the definition of a slot has what it should have.
pub(super) fn is_connected(index: usize) -> bool {
    let slot = &SLOTS.0[index];
    // SAFETY: the definition of a slot is live: see `claim`.
    let now = unsafe { (*slot.definition.get()).ml_meth };
    is_same(now, slot.function(index))
}

/// Whether two definitions have the same C function.
fn is_same(one: ffi::PyMethodDefPointer, other: ffi::PyMethodDefPointer) -> bool {
    // SAFETY: every field of the union is a pointer to a function.
    let [one, other] = [one, other].map(|it| unsafe { it.PyCFunction });
    ptr::fn_addr_eq(one, other)
}

/// What a call for `receiver` goes to, with the receiver as its first argument.
pub(super) fn callable_for(index: usize, receiver: Object) -> Option<Object> {
    route(index, receiver).filter(|it| it.whose.is_argument(receiver)).map(|it| it.callable)
}

/// Whether there is a route for anyone.
pub(super) fn is_in_use(index: usize) -> bool {
    SLOTS.0[index].is_in_use()
}

/// The C function itself.
pub(super) fn own(index: usize) -> ffi::PyMethodDefPointer {
    SLOTS.0[index].own()
}

/// Where a call goes instead of to the C function, and how.
#[derive(Clone, Copy)]
pub(super) struct Detour {
    whose: Whose,
    /// Owned by the route.
    callable: Object,
    entry: ffi::vectorcallfunc,
    /// Whether it can go while it runs unless there is another reference.
    needs_reference: bool,
}

/// Where a call for `receiver` goes, unless to the C function.
pub(super) fn route(index: usize, receiver: Object) -> Option<Detour> {
    let slot = &SLOTS.0[index];
    // SAFETY: who calls has the GIL, and so an interpreter.
    if unsafe { ffi::PyInterpreterState_Get() } != slot.interpreter.load(Ordering::Acquire) {
        return None;
    }
    if let Some(only) = slot.only.get() {
        return only.whose.includes(receiver).then_some(only);
    }
    let routes = slot.routes.borrow();
    Detour::of(routes.iter().find(|(whose, _)| whose.includes(receiver))?)
}

impl Detour {
    fn of((whose, route): &(Whose, Route)) -> Option<Self> {
        Some(Self {
            whose: *whose,
            callable: route.callable.get()?.as_ptr(),
            entry: route.entry.get()?,
            needs_reference: route.needs_reference.get(),
        })
    }

    /// Keeps what is called while `call` calls it.
    fn keeping(self, call: impl FnOnce() -> Object) -> Object {
        if !self.needs_reference {
            return call();
        }
        // SAFETY: the route owns it. It can let go of it during the call: hence a reference of our own.
        unsafe { ffi::Py_INCREF(self.callable) };
        let result = call();
        // SAFETY: the reference taken above.
        unsafe { ffi::Py_DECREF(self.callable) };
        result
    }

    /// Calls it with `count` positional arguments and those that `names` has names for.
    pub(super) unsafe fn call(
        self,
        receiver: Object,
        first: *const Object,
        count: usize,
        names: Object,
    ) -> Object {
        let Self { callable, entry, .. } = self;
        if !self.whose.is_argument(receiver) {
            // SAFETY: the arguments are passed on as they came.
            return self.keeping(|| unsafe { entry(callable, first, count, names) });
        }
        let extra = if names.is_null() {
            0
        } else {
            // SAFETY: CPython passes a tuple of names or NULL.
            unsafe { ffi::PyTuple_GET_SIZE(names) }.unsigned_abs()
        };
        // One place more in front, for a callee that puts an argument of its own there.
        let mut all = SmallVec::<[Object; 10]>::from_slice(&[ptr::null_mut(), receiver]);
        if count + extra > 0 {
            // SAFETY: CPython passes so many arguments.
            all.extend_from_slice(unsafe { std::slice::from_raw_parts(first, count + extra) });
        }
        let count = (count + 1) | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET;
        // SAFETY: live objects, and a place in front of them that can be written.
        self.keeping(|| unsafe { entry(callable, all[1..].as_mut_ptr(), count, names) })
    }

    /// Calls it with a tuple and a dict.
    pub(super) unsafe fn call_tuple(
        mut self,
        receiver: Object,
        arguments: Object,
        keywords: Object,
    ) -> Object {
        // It is looked at after the call as well, and making a tuple can run finalizers (until 3.11).
        self.needs_reference = true;
        self.keeping(|| {
            if !self.whose.is_argument(receiver) {
                // SAFETY: a tuple, and a dict or NULL.
                return unsafe { ffi::PyObject_Call(self.callable, arguments, keywords) };
            }
            // SAFETY: CPython passes a tuple.
            let count = unsafe { ffi::PyTuple_GET_SIZE(arguments) };
            // SAFETY: this thread has the GIL.
            let all = unsafe { ffi::PyTuple_New(count + 1) };
            if all.is_null() {
                return all;
            }
            for index in 0..=count {
                let item = match index {
                    0 => receiver,
                    // SAFETY: `index - 1` is below the length of the tuple.
                    _ => unsafe { ffi::PyTuple_GET_ITEM(arguments, index - 1) },
                };
                // SAFETY: a live object.
                unsafe { ffi::Py_INCREF(item) };
                // SAFETY: a new tuple of that length, which takes over the reference.
                unsafe { ffi::PyTuple_SET_ITEM(all, index, item) };
            }
            // SAFETY: a tuple, and a dict or NULL.
            let result = unsafe { ffi::PyObject_Call(self.callable, all, keywords) };
            // SAFETY: the reference from `PyTuple_New`.
            unsafe { ffi::Py_DECREF(all) };
            result
        })
    }
}
