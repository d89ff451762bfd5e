//! What a function does, taken off the function object.

use std::mem::offset_of;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::site::Stored;

/// One of the fields of a function object that hold a reference.
pub(super) struct Field {
    /// The attribute by which Python shows the field.
    pub(super) attribute: &'static str,
    pub(super) offset: usize,
}

macro_rules! field {
    ($attribute:literal, $member:ident) => {
        Field { attribute: $attribute, offset: offset_of!(ffi::PyFunctionObject, $member) }
    };
}

/// The fields that are the body: what a function does, as opposed to who it is.
pub(super) const BODY: &[Field] = &[
    field!("__code__", func_code),
    field!("__globals__", func_globals),
    field!("__builtins__", func_builtins),
    field!("__closure__", func_closure),
    field!("__defaults__", func_defaults),
    field!("__kwdefaults__", func_kwdefaults),
    field!("__annotations__", func_annotations),
    #[cfg(Py_3_14)]
    field!("__annotate__", func_annotate),
    #[cfg(Py_3_12)]
    field!("__type_params__", func_typeparams),
];
pub(super) const FIELDS: usize = BODY.len();
pub(super) const CODE: usize = 0;
pub(super) const GLOBALS: usize = 1;
pub(super) const BUILTINS: usize = 2;
pub(super) const CLOSURE: usize = 3;
pub(super) const DEFAULTS: usize = 4;
pub(super) const KEYWORD_DEFAULTS: usize = 5;
pub(super) const ANNOTATIONS: usize = 6;
/// Not a field: a tuple of functions and code objects that the function keeps for its code (see [`crate::graft`]).
pub(super) const KEPT: usize = FIELDS;
/// Those that tell whether a function has been changed, and those that must not go with a change.
pub(super) const SEEN: usize = KEYWORD_DEFAULTS + 1;

/// The fields that are the identity, and which the original of a patch shares with its target.
pub(super) const IDENTITY: &[Field] = &[
    field!("__name__", func_name),
    field!("__qualname__", func_qualname),
    field!("__module__", func_module),
    field!("__doc__", func_doc),
    ATTRIBUTES,
];
pub(super) const ATTRIBUTES: Field = field!("__dict__", func_dict);

/// A reference for each field of [`BODY`], in its order, and the kept.
pub(super) type References<'py> = [Option<Bound<'py, PyAny>>; FIELDS + 1];

/// What a function does, taken off the function object.
#[derive(Clone)]
pub(crate) struct Body<'py> {
    /// The closure is never a [`Closure`](super::closure::Closure) of ours: it would keep alive what
    /// belongs to the function that it was taken from.
    pub(super) fields: References<'py>,
    /// CPython's own name for this body (`func_version`), which specialised call sites compare.
    /// It comes along wherever the body goes, and with it the speed of those sites.
    #[cfg(Py_3_11)]
    pub(super) version: u32,
}

impl<'py> Body<'py> {
    pub(crate) fn code(&self) -> Option<&Bound<'py, PyAny>> {
        self.fields[CODE].as_ref()
    }

    pub(crate) fn globals(&self) -> Option<&Bound<'py, PyAny>> {
        self.fields[GLOBALS].as_ref()
    }

    pub(crate) fn closure(&self) -> Option<&Bound<'py, PyTuple>> {
        self.fields[CLOSURE].as_ref()?.cast().ok()
    }

    pub(crate) fn defaults(&self) -> Option<&Bound<'py, PyTuple>> {
        self.fields[DEFAULTS].as_ref()?.cast().ok()
    }

    pub(crate) fn keyword_defaults(&self) -> Option<&Bound<'py, PyDict>> {
        self.fields[KEYWORD_DEFAULTS].as_ref()?.cast().ok()
    }

    /// Whether there can be annotations. Since 3.14 there is a function that makes them.
    pub(crate) fn has_annotations(&self) -> bool {
        let last = if cfg!(Py_3_14) { ANNOTATIONS + 1 } else { ANNOTATIONS };
        let mut found = self.fields[ANNOTATIONS..=last].iter().flatten();
        found.any(|found| !found.is_none() && found.len().ok() != Some(0))
    }

    /// Makes the code see `cells` as its free variables, one for each.
    pub(crate) fn set_closure(&mut self, cells: Bound<'py, PyTuple>) {
        self.fields[CLOSURE] = Some(cells.into_any());
    }

    /// What the function keeps for its code.
    pub(crate) fn kept(&self) -> Option<&Bound<'py, PyTuple>> {
        self.fields[KEPT].as_ref()?.cast().ok()
    }

    /// CPython's own name for this body. 0 means that it has none yet, and since 3.13 1 that it lost it
    /// (`FUNC_VERSION_CLEARED`, `pycore_function.h`).
    pub(crate) fn version(&self) -> u32 {
        #[cfg(Py_3_11)]
        return self.version;
        #[cfg(not(Py_3_11))]
        return 0;
    }

    /// Gives it another name.
    #[cfg_attr(not(Py_3_11), expect(unused_variables, reason = "there are no versions"))]
    pub(crate) fn set_version(&mut self, version: u32) {
        #[cfg(Py_3_11)]
        {
            self.version = version;
        }
    }

    /// Takes other code into the place of its own, with the version of that, for which `kept` is to be kept.
    pub(crate) fn set_code(
        &mut self,
        code: Bound<'py, PyAny>,
        version: u32,
        kept: Option<Bound<'py, PyTuple>>,
    ) {
        self.fields[CODE] = Some(code);
        self.fields[KEPT] = kept.map(Bound::into_any);
        self.set_version(version);
    }

    /// Replaces the dicts that Python code can change in place with copies of them as they are now.
    pub(crate) fn detach(&mut self) -> PyResult<()> {
        for index in [KEYWORD_DEFAULTS, ANNOTATIONS] {
            if let Some(object) = &self.fields[index]
                && let Ok(dict) = object.cast::<PyDict>()
            {
                self.fields[index] = Some(dict.copy()?.into_any());
            }
        }
        Ok(())
    }
}

/// A [`Body`] that is kept.
pub(crate) struct StoredBody {
    pub(super) fields: [Option<Py<PyAny>>; FIELDS + 1],
    #[cfg(Py_3_11)]
    pub(super) version: u32,
}

impl Stored for StoredBody {
    type Body<'py> = Body<'py>;

    fn bind<'py>(&self, py: Python<'py>) -> Body<'py> {
        Body {
            fields: std::array::from_fn(|index| {
                self.fields[index].as_ref().map(|object| object.bind(py).clone())
            }),
            #[cfg(Py_3_11)]
            version: self.version,
        }
    }

    fn into_bound(self, py: Python<'_>) -> Body<'_> {
        Body {
            fields: self.fields.map(|object| object.map(|object| object.into_bound(py))),
            #[cfg(Py_3_11)]
            version: self.version,
        }
    }

    fn unbind(body: Body<'_>) -> Self {
        Self {
            fields: body.fields.map(|object| object.map(Bound::unbind)),
            #[cfg(Py_3_11)]
            version: body.version,
        }
    }

    fn cells<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyTuple>> {
        self.fields[CLOSURE].as_ref()?.bind(py).cast().ok().cloned()
    }

    fn references(&self, visit: impl FnMut(&Py<PyAny>)) {
        self.fields.iter().flatten().for_each(visit);
    }
}
