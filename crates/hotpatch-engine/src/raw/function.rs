//! Function objects: reading a body, and installing one.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::body::{
    ANNOTATIONS, ATTRIBUTES, BODY, BUILTINS, Body, CLOSURE, CODE, DEFAULTS, Field, GLOBALS,
    IDENTITY, KEPT, KEYWORD_DEFAULTS, References, SEEN, StoredBody,
};
use super::closure::{Closure, Few, Hidden};
use super::code;
use super::optimizer;
use crate::graft;
use crate::scope::Reach;
use crate::signature::{Parameter, Signature};
use crate::site::{self, Install as _, Site};
use crate::transaction::{Group, Groups};

/// The patches of a function.
pub(crate) type Stack = crate::stack::Stack<StoredBody>;

/// What a function held at some time. Being owned, no address in it can come to mean another
/// object, so that comparing addresses is enough to know whether the function has changed.
pub(crate) struct Seen<'py>([Option<Bound<'py, PyAny>>; SEEN]);

/// A plain Python function, known to have the layout of `PyFunctionObject`.
#[derive(Clone)]
pub(crate) struct Function<'py>(Bound<'py, PyAny>);

impl<'py> Function<'py> {
    /// Makes a function with the code and the globals given, as `types.FunctionType` does.
    pub(crate) fn with_code(
        code: &Bound<'py, PyAny>,
        globals: &Bound<'py, PyAny>,
    ) -> PyResult<Self> {
        // SAFETY: both are live; callers pass a code object and the globals of a function.
        let function = unsafe { ffi::PyFunction_New(code.as_ptr(), globals.as_ptr()) };
        // SAFETY: the result is a new reference, or NULL with an error set.
        unsafe { Bound::from_owned_ptr_or_err(code.py(), function) }.map(Self)
    }

    pub(crate) fn code(&self) -> Option<Bound<'py, PyAny>> {
        self.read(&BODY[CODE])
    }

    /// Whether the function has attributes of its own.
    pub(crate) fn has_attributes(&self) -> bool {
        // The dict is made when first asked for, as it is for the original of a patch.
        let attributes = self.read(&ATTRIBUTES).map(Bound::cast_into::<PyDict>);
        attributes.is_some_and(|dict| dict.map_or(true, |dict| !dict.is_empty()))
    }

    /// The closure as it is, with what may hang on it.
    pub(crate) fn closure(&self) -> Option<Bound<'py, PyAny>> {
        self.read(&BODY[CLOSURE])
    }

    /// Makes a function that nobody has called yet keep `object`, where the garbage collector sees it.
    pub(crate) fn keep(&self, object: Bound<'py, PyAny>) -> PyResult<()> {
        let body = self.body()?;
        let kept = [Some(object), self.closure()].into_iter().flatten().collect();
        let hidden = Hidden { kept, ..Hidden::default() };
        let closure = Closure::new(self.0.py(), body.closure(), hidden)?;
        drop(self.write(&BODY[CLOSURE], Some(closure.as_any().clone())));
        Ok(())
    }

    /// What it keeps besides its body.
    pub(crate) fn kept(&self) -> Few<'py> {
        let closure = self.closure().as_ref().and_then(Closure::of);
        closure.iter().flat_map(Closure::kept).collect()
    }

    /// The address that calls from C go to.
    pub(super) fn entry(&self) -> usize {
        let raw = self.0.as_ptr().cast::<ffi::PyFunctionObject>();
        // SAFETY: `new` checked the type, so `raw` has this layout, and `self` keeps it alive.
        let entry = unsafe { (*raw).vectorcall };
        entry.map_or(0, |entry| entry as usize)
    }

    /// CPython's own name for its body, 0 if it has none.
    #[cfg(Py_3_11)]
    pub(crate) fn version(&self) -> u32 {
        let raw = self.0.as_ptr().cast::<ffi::PyFunctionObject>();
        // SAFETY: `new` checked the type, so `raw` has this layout, and `self` keeps it alive.
        unsafe { (*raw).func_version }
    }

    #[cfg(not(Py_3_11))]
    #[expect(clippy::unused_self, reason = "there are no versions")]
    pub(crate) fn version(&self) -> u32 {
        0
    }

    #[cfg(Py_3_11)]
    fn set_version(&self, version: u32) {
        let raw = self.0.as_ptr().cast::<ffi::PyFunctionObject>();
        // SAFETY: as in `version`. Other threads read the field with the GIL only.
        unsafe { (*raw).func_version = version };
    }

    /// The code object that it has below its patches.
    pub(crate) fn base_code(&self) -> Option<Bound<'py, PyAny>> {
        let py = self.0.py();
        let base =
            |stack: &mut Stack| stack.base.fields[CODE].as_ref().map(|it| it.bind(py).clone());
        self.with_stack(base).unwrap_or_else(|| self.code())
    }

    /// Where that is.
    pub(crate) fn base_address(&self) -> usize {
        let below = self.with_stack(|stack| stack.base.fields[CODE].as_ref().map(Py::as_ptr));
        below.flatten().unwrap_or_else(|| self.raw(&BODY[CODE])).addr()
    }

    fn slot(&self, field: &Field) -> *mut *mut ffi::PyObject {
        // In bounds: the offset is that of a member of the layout that `new` checked.
        self.0.as_ptr().wrapping_byte_add(field.offset).cast()
    }

    pub(super) fn raw(&self, field: &Field) -> *mut ffi::PyObject {
        // SAFETY: the slot is a member of a live function, see `slot`.
        unsafe { self.slot(field).read() }
    }

    fn read(&self, field: &Field) -> Option<Bound<'py, PyAny>> {
        let object = self.raw(field);
        // SAFETY: the function owns what its fields point to, unless NULL, and nothing that could
        // make it let go runs before the new reference is taken.
        unsafe { Bound::from_borrowed_ptr_or_opt(self.0.py(), object) }
    }

    /// The first `N` fields of the body.
    fn fields<const N: usize>(&self) -> [Option<Bound<'py, PyAny>>; N] {
        std::array::from_fn(|index| self.read(&BODY[index]))
    }

    /// Stores `object` and returns what was stored: it must be dropped when all writes are done.
    fn write(&self, field: &Field, object: Option<Bound<'py, PyAny>>) -> Option<Bound<'py, PyAny>> {
        let new = object.map_or(std::ptr::null_mut(), Bound::into_ptr);
        // SAFETY: the slot is a member of a live function, see `slot`. Everybody who reads it holds
        // the GIL, which this thread holds and does not give away: no Python code runs in here.
        let old = unsafe { self.slot(field).replace(new) };
        // SAFETY: the field owned the reference that it held, and this takes it over.
        unsafe { Bound::from_owned_ptr_or_opt(self.0.py(), old) }
    }
}

impl<'py> Site<'py> for Function<'py> {
    type Stored = StoredBody;
    type Seen = Seen<'py>;
    type Install = Install<'py>;

    fn new(object: &Bound<'py, PyAny>) -> Option<Self> {
        // SAFETY: `object` is live. A function type cannot be subclassed (Objects/funcobject.c has
        // no Py_TPFLAGS_BASETYPE), so the exact check finds them all.
        let checked = unsafe { ffi::PyFunction_Check(object.as_ptr()) };
        (checked == 1).then(|| Self(object.clone()))
    }

    fn as_any(&self) -> &Bound<'py, PyAny> {
        &self.0
    }

    fn groups<'g>(groups: &'g mut Groups<'py>) -> &'g mut Vec<Group<'py, Self>> {
        &mut groups.functions
    }

    fn with_stack<T>(&self, action: impl FnOnce(&mut Stack) -> T) -> Option<T> {
        let closure = Closure::of(&self.closure()?)?;
        let mut stack = closure.take_stack()?;
        // A copy of a function (`types.FunctionType`) can have its closure, but not its patches.
        let outcome = stack.is_of(&self.0).then(|| action(&mut stack));
        closure.hang(stack);
        outcome
    }

    fn seen(&self) -> Seen<'py> {
        Seen(self.fields())
    }

    fn body(&self) -> PyResult<Body<'py>> {
        let mut fields: References<'py> = [const { None }; _];
        for (field, slot) in fields.iter_mut().zip(BODY) {
            *field = self.read(slot);
        }
        #[cfg(Py_3_11)]
        let version = self.version();
        if let Some(ours) = fields[CLOSURE].as_ref().and_then(Closure::of) {
            let cells = ours.cells();
            fields[CLOSURE] = match cells.len() {
                0 => None,
                _ => Some(PyTuple::new(self.0.py(), cells)?.into_any()),
            };
            let kept: Vec<_> = ours.kept().filter(is_of_body).collect();
            if !kept.is_empty() {
                fields[KEPT] = Some(PyTuple::new(self.0.py(), kept)?.into_any());
            }
        }
        Ok(Body {
            fields,
            #[cfg(Py_3_11)]
            version,
        })
    }

    fn cells_of<'a>(body: &'a Body<'py>) -> Option<&'a Bound<'py, PyTuple>> {
        body.closure()
    }

    /// The code, the globals and the defaults count.
    fn has_body(&self, body: &StoredBody) -> bool {
        [CODE, GLOBALS, DEFAULTS, KEYWORD_DEFAULTS].into_iter().all(|index| {
            let expected = body.fields[index].as_ref().map_or(std::ptr::null_mut(), Py::as_ptr);
            self.raw(&BODY[index]) == expected
        })
    }

    fn signature(&self, body: &Body<'py>) -> PyResult<Option<Signature<'py>>> {
        Signature::of_body(body)
    }

    /// Annotations belong to the signature, which is that of what lies below.
    fn calling(&self, function: &Self, below: &Body<'py>) -> PyResult<Body<'py>> {
        let mut body = function.body()?;
        body.fields[ANNOTATIONS..KEPT].clone_from_slice(&below.fields[ANNOTATIONS..KEPT]);
        body.detach()?;
        Ok(body)
    }

    fn choosing(
        &self,
        function: &Self,
        reach: &Reach,
        parameters: &[Parameter],
        below: &Body<'py>,
    ) -> PyResult<Option<Body<'py>>> {
        let mut body = below.clone();
        let is_done = graft::add(&mut body, parameters, reach.place(self.0.py()), function)?;
        body.detach()?;
        Ok(is_done.then_some(body))
    }

    fn replaced_by(&self, function: &Self, _: &Body<'py>) -> PyResult<Body<'py>> {
        let mut body = function.body()?;
        body.detach()?;
        Ok(body)
    }

    fn python(&self, body: &Body<'py>) -> PyResult<Option<(Self, Body<'py>)>> {
        Ok(Some((self.clone(), body.clone())))
    }

    fn twin(&self, body: Body<'py>) -> PyResult<Self> {
        let py = self.0.py();
        self.0.getattr(pyo3::intern!(py, "__dict__"))?; // made when first asked for: share it
        let (Some(code), Some(globals)) = (&body.fields[CODE], &body.fields[GLOBALS]) else {
            return Err(pyo3::exceptions::PySystemError::new_err("function without code"));
        };
        let twin = Self::with_code(code, globals)?;
        let replaced: Vec<_> =
            IDENTITY.iter().map(|field| twin.write(field, self.read(field))).collect();
        drop(replaced);
        twin.prepare(twin.seen(), body, false, None)?.commit(None);
        Ok(twin)
    }

    fn prepare(
        &self,
        seen: Seen<'py>,
        mut body: Body<'py>,
        has_stack: bool,
        base_cells: Option<&Bound<'py, PyTuple>>,
    ) -> PyResult<Install<'py>> {
        let py = self.0.py();
        let old = seen.0[CLOSURE].as_ref();
        let ours = old.and_then(Closure::of);
        let mut hidden = Hidden::default();

        // The closure never gets shorter: see the module `closure`.
        let old_cells = match (&ours, old) {
            (Some(ours), _) => ours.cell_count(),
            (None, Some(old)) => old.len()?,
            (None, None) => 0,
        };
        for index in body.closure().map_or(0, PyTupleMethods::len)..old_cells {
            hidden.padding.push(match base_cells.and_then(|cells| cells.get_item(index).ok()) {
                Some(cell) => cell,
                None => empty_cell(py)?,
            });
        }

        // Frames borrow globals and builtins from the function (since 3.11, internal/pycore_frame.h:
        // "Borrowed reference"), also suspended ones: none that it ever had may go before it.
        // Nor may a closure that is no plain tuple: like ours it may keep things alive, as that of
        // another extension with an engine of its own does.
        let mut keep = |object: &Bound<'py, PyAny>| {
            let installed = body.fields[GLOBALS..=CLOSURE].iter().flatten();
            if !installed.chain(&hidden.kept).any(|other| other.is(object)) {
                hidden.kept.push(object.clone());
            }
        };
        let foreign =
            old.filter(|cells| ours.is_none() && !cells.is_exact_instance_of::<PyTuple>());
        let carried = ours.iter().flat_map(Closure::kept).filter(|object| !is_of_body(object));
        carried.for_each(|object| keep(&object));
        seen.0[GLOBALS..=BUILTINS].iter().flatten().chain(foreign).for_each(&mut keep);

        hidden.kept.extend(body.kept().into_iter().flatten());

        let mut home = None;
        if has_stack || !hidden.is_empty() {
            let given = body.fields[CLOSURE].take();
            let cells = given.as_ref().and_then(|cells| cells.cast().ok());
            hidden
                .kept
                .extend(given.clone().filter(|cells| !cells.is_exact_instance_of::<PyTuple>()));
            let closure = Closure::new(py, cells, hidden)?;
            body.fields[CLOSURE] = Some(closure.as_any().clone());
            home = Some(closure);
        }
        Ok(Install { function: self.clone(), body, seen, home })
    }
}

/// Of what a closure keeps, functions and their code belong to the body that is installed.
fn is_of_body(object: &Bound<'_, PyAny>) -> bool {
    Function::new(object).is_some() || code::is_code(object)
}

/// A cell with nothing in it.
fn empty_cell(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: this thread is attached, and NULL means an empty cell.
    let cell = unsafe { ffi::PyCell_New(std::ptr::null_mut()) };
    // SAFETY: the result is a new reference, or NULL with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, cell) }
}

/// A body that is ready to be written into a function.
#[must_use]
pub(crate) struct Install<'py> {
    function: Function<'py>,
    body: Body<'py>,
    seen: Seen<'py>,
    /// The closure that is going to be installed, if it is one of ours.
    home: Option<Closure<'py>>,
}

impl site::Install<StoredBody> for Install<'_> {
    /// Setting the defaults (to what they are) is the public way to it: it tells function watchers
    /// (3.12) and the optimizer, makes traces that assume the body invalid (3.15), and takes the
    /// function out of the cache that finds functions by version (3.13). Were it left there under a
    /// version that it no longer has, its destructor would not find the entry, and the next look-up
    /// would read freed memory (`func_clear_version`, Objects/funcobject.c, 3.13 to 3.15).
    fn announce(&self) -> PyResult<()> {
        let py = self.function.0.py();
        let defaults = self.function.read(&BODY[DEFAULTS]);
        let defaults = defaults.unwrap_or_else(|| py.None().into_bound(py));
        // SAFETY: a live function, and a tuple or None, which stands for "no defaults".
        let result =
            unsafe { ffi::PyFunction_SetDefaults(self.function.0.as_ptr(), defaults.as_ptr()) };
        if result != 0 {
            return Err(PyErr::fetch(py));
        }
        optimizer::forget_traces(py);
        Ok(())
    }

    fn is_current(&self) -> bool {
        [CODE, CLOSURE, DEFAULTS, KEYWORD_DEFAULTS].into_iter().all(|index| {
            let expected = self.seen.0[index].as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr);
            self.function.raw(&BODY[index]) == expected
        })
    }

    fn take_stack(&self) -> Option<Box<Stack>> {
        self.seen.0[CLOSURE].as_ref().and_then(Closure::of)?.take_stack()
    }

    fn commit(&mut self, stack: Option<Box<Stack>>) {
        if let (Some(home), Some(stack)) = (&self.home, stack) {
            home.hang(stack);
        }
        for (field, object) in BODY.iter().zip(&mut self.body.fields) {
            *object = self.function.write(field, object.take());
        }
        #[cfg(Py_3_11)]
        self.function.set_version(self.body.version);
    }
}
