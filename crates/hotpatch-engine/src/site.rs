//! What can be patched: objects whose calls can be made to do something else, in place.

use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyWeakrefReference};

use crate::bypassed;
use crate::patch::Reference;
use crate::raw::body;
use crate::raw::builtin::Builtin;
use crate::raw::function::Function;
use crate::raw::method::{self, Method};
use crate::scope::Reach;
use crate::signature::{Parameter, Signature};
use crate::stack::Stack;
use crate::transaction::{Group, Groups};
use crate::wrapper::Wrapper;

/// What a target does, as opposed to who it is, in the form in which a stack keeps it.
pub(crate) trait Stored: Sized {
    /// The same, held for a moment.
    type Body<'py>: Clone;

    fn bind<'py>(&self, py: Python<'py>) -> Self::Body<'py>;
    fn into_bound(self, py: Python<'_>) -> Self::Body<'_>;
    fn unbind(body: Self::Body<'_>) -> Self;

    /// The cells that calls of it which are just starting read. Only functions have such cells.
    fn cells<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyTuple>>;

    /// Everything that the garbage collector has to know of.
    fn references(&self, visit: impl FnMut(&Py<PyAny>));

    /// Gives up an original. This can run Python code.
    fn discard(original: Bound<'_, PyAny>) {
        drop(original);
    }
}

/// For objects whose calls can be led elsewhere: where to. `None` is what the object does by itself.
impl Stored for Option<Py<PyAny>> {
    type Body<'py> = Option<Bound<'py, PyAny>>;

    fn bind<'py>(&self, py: Python<'py>) -> Self::Body<'py> {
        self.as_ref().map(|callable| callable.bind(py).clone())
    }

    fn into_bound(self, py: Python<'_>) -> Self::Body<'_> {
        self.map(|callable| callable.into_bound(py))
    }

    fn unbind(body: Self::Body<'_>) -> Self {
        body.map(Bound::unbind)
    }

    fn cells<'py>(&self, _: Python<'py>) -> Option<Bound<'py, PyTuple>> {
        None
    }

    fn references(&self, visit: impl FnMut(&Py<PyAny>)) {
        self.iter().for_each(visit);
    }

    fn discard(original: Bound<'_, PyAny>) {
        method::discard(original);
    }
}

/// A body that is held for a moment.
pub(crate) type Body<'py, S> = <<S as Site<'py>>::Stored as Stored>::Body<'py>;

/// An object that can be patched.
pub(crate) trait Site<'py>: Clone + 'py {
    type Stored: Stored;
    type Seen;
    type Install: Install<Self::Stored>;

    /// Returns `None` if `object` is not of this kind.
    fn new(object: &Bound<'py, PyAny>) -> Option<Self>;

    fn as_any(&self) -> &Bound<'py, PyAny>;

    /// Whether another object stands for the same target.
    fn is_same(&self, other: &Self) -> bool {
        self.as_any().is(other.as_any())
    }

    /// Where an atomic block has its targets of this kind.
    fn groups<'g>(groups: &'g mut Groups<'py>) -> &'g mut Vec<Group<'py, Self>>;

    /// Takes the stack from where it is kept, for as long as `action` looks at it.
    ///
    /// If `action` were to run Python code, that would find no stack.
    fn with_stack<T>(&self, action: impl FnOnce(&mut Stack<Self::Stored>) -> T) -> Option<T>;

    /// How a patch refers to it. Most objects can be referred to weakly.
    fn reference(&self) -> PyResult<Reference> {
        Ok(Reference::Weak(PyWeakrefReference::new(self.as_any())?.unbind()))
    }

    /// Takes note of what it holds, without running any Python code.
    fn seen(&self) -> Self::Seen;

    /// What it does now.
    fn body(&self) -> PyResult<Body<'py, Self>>;

    /// [`Stored::cells`] of a body that is not stored.
    fn cells_of<'a>(body: &'a Body<'py, Self>) -> Option<&'a Bound<'py, PyTuple>>;

    /// Whether it still does what `body` says.
    fn has_body(&self, body: &Self::Stored) -> bool;

    /// Does what is due after any change of the stack. This can run Python code.
    fn settle(&self) {}

    /// The signature that calls have while it does what `body` says, if that is known.
    fn signature(&self, body: &Body<'py, Self>) -> PyResult<Option<Signature<'py>>>;

    /// What it does to call `function`, which calls what `below` says.
    fn calling(
        &self,
        function: &Function<'py>,
        below: &Body<'py, Self>,
    ) -> PyResult<Body<'py, Self>>;

    /// What it does to call `function` where a patch is in force, and what `below` says elsewhere, with nothing
    /// in between. It has these parameters. `None` if it cannot.
    fn choosing(
        &self,
        function: &Function<'py>,
        reach: &Reach,
        parameters: &[Parameter],
        below: &Body<'py, Self>,
    ) -> PyResult<Option<Body<'py, Self>>> {
        let _ = (function, reach, parameters, below);
        Ok(None) // only Python functions can
    }

    /// What it does to do the same as `function`, which is of its kind, instead of what `below` says.
    fn replaced_by(
        &self,
        function: &Function<'py>,
        below: &Body<'py, Self>,
    ) -> PyResult<Body<'py, Self>> {
        self.calling(function, below)
    }

    /// The Python function that runs while it does what `body` says, and what that does.
    fn python(&self, body: &Body<'py, Self>) -> PyResult<Option<(Function<'py>, body::Body<'py>)>> {
        let _ = body;
        Ok(None) // it is written in C
    }

    /// Makes another object with the identity of this one, which does what `body` says.
    fn twin(&self, body: Body<'py, Self>) -> PyResult<Self>;

    /// Gets everything ready that installing `body` needs, and changes nothing yet.
    ///
    /// `seen` is what it held when the caller began to look at it. `has_stack` says whether it is
    /// going to have a stack while the body is installed. `cells` are those of the unpatched target.
    fn prepare(
        &self,
        seen: Self::Seen,
        body: Body<'py, Self>,
        has_stack: bool,
        cells: Option<&Bound<'py, PyTuple>>,
    ) -> PyResult<Self::Install>;
}

/// An object that can be patched, of any kind.
pub(crate) enum AnySite<'py> {
    Function(Function<'py>),
    Builtin(Builtin<'py>),
    Method(Method<'py>),
    Wrapper(Wrapper<'py>),
}

impl<'py> AnySite<'py> {
    /// Returns `None` if `object` is of no kind that can be patched.
    pub(crate) fn new(object: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        if let Some(function) = Function::new(object) {
            return Ok(Some(Self::Function(function)));
        }
        if let Some(builtin) = Builtin::new(object) {
            return Ok(Some(match bypassed::method_behind(&builtin)? {
                Some(method) => Self::Method(method),
                None => Self::Builtin(builtin),
            }));
        }
        if let Some(method) = Method::new(object) {
            return Ok(Some(Self::Method(method)));
        }
        Ok(Wrapper::find(object)?.map(Self::Wrapper))
    }
}

/// Does the same with an object of each kind.
macro_rules! with_site {
    ($any:expr, $site:ident => $action:expr) => {
        match $any {
            $crate::site::AnySite::Function($site) => $action,
            $crate::site::AnySite::Builtin($site) => $action,
            $crate::site::AnySite::Method($site) => $action,
            $crate::site::AnySite::Wrapper($site) => $action,
        }
    };
}
pub(crate) use with_site;

/// A body that is ready to be installed.
#[must_use]
pub(crate) trait Install<B> {
    /// Lets CPython drop what it knows of the body that is installed now.
    fn announce(&self) -> PyResult<()>;

    /// Whether nobody has changed the object since it was seen.
    fn is_current(&self) -> bool;

    /// Takes the stack of the object, which nobody has changed since it was seen.
    fn take_stack(&self) -> Option<Box<Stack<B>>>;

    /// Installs the body, with no Python code in between. From then on the object has `stack`.
    ///
    /// What is written over is kept in here: it is to be dropped after everything that must be seen
    /// together, since dropping it can run Python code.
    fn commit(&mut self, stack: Option<Box<Stack<B>>>);
}
