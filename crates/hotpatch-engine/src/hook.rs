//! Hooks: patches that run beside what lies below them, or around it.

use std::fmt;

use pyo3::exceptions::PySyntaxError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::apply::as_function;
use crate::error::{Error, describe};
use crate::kind::Kind;
use crate::raw::function::Function;
use crate::scope::Reach;
use crate::signature::{
    KEYWORD_ONLY, POSITIONAL_ONLY, Parameter, Signature, VAR_KEYWORD, VAR_POSITIONAL,
    takes_positional,
};
use crate::site::{Body, Site, Stored as _};
use crate::source::{self, Place};
use crate::trampoline::{self, Shape};

/// What a patch does with a call of its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum How {
    /// It takes the place of what lies below.
    #[default]
    Replace,
    /// It is called with what lies below, and then the arguments of the call.
    Around,
    /// It is told of a call before it begins.
    Before,
    /// It is told of the result of a call.
    After,
    /// It is told of the exception with which a call ends.
    Error,
}

impl How {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Replace, Self::Around, Self::Before, Self::After, Self::Error];

    /// Its name in Python.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Around => "around",
            Self::Before => "before",
            Self::After => "after",
            Self::Error => "error",
        }
    }

    /// Whether its result is ignored.
    fn is_observer(self) -> bool {
        matches!(self, Self::Before | Self::After | Self::Error)
    }

    /// What a hook is given before the arguments of the call.
    fn given(self) -> Option<&'static str> {
        match self {
            Self::Around => Some("the original"),
            Self::After => Some("the result"),
            Self::Error => Some("the exception"),
            Self::Replace | Self::Before => None,
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A patch that calls what lies below it, always or in other threads or contexts.
pub(crate) struct Hook {
    how: How,
    /// In a form that does not change when it is patched.
    callable: Py<PyAny>,
    reach: Option<Reach>,
}

impl Hook {
    /// `callable` is what is called, in a form that does not change.
    pub(crate) fn new(how: How, reach: Option<Reach>, callable: &Bound<'_, PyAny>) -> Self {
        Self { how, callable: callable.clone().unbind(), reach }
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            how: self.how,
            callable: self.callable.clone_ref(py),
            reach: self.reach.as_ref().map(|reach| reach.clone_ref(py)),
        }
    }

    /// Everything that the garbage collector has to know of.
    pub(crate) fn references(&self, mut visit: impl FnMut(&Py<PyAny>)) {
        visit(&self.callable);
        self.reach.iter().for_each(|reach| reach.references(&mut visit));
    }

    /// Where it is in force, if not everywhere.
    pub(crate) fn reach(&self) -> Option<&Reach> {
        self.reach.as_ref()
    }

    /// The patch is gone, or did not come about.
    pub(crate) fn leave(&self, py: Python<'_>) {
        self.reach.iter().for_each(|reach| reach.leave(py));
    }

    /// Fails if `named`, of which this is made, does not fit the target.
    ///
    /// `base` is what the target does without its patches, if it has some. Otherwise [`Self::body`] finds
    /// out whether it fits that.
    pub(crate) fn check<'py, S: Site<'py>>(
        &self,
        site: &S,
        named: &Bound<'py, PyAny>,
        base: Option<&Body<'py, S>>,
    ) -> Result<(), Error> {
        let target = site.as_any();
        if !target.is_callable() {
            let why = "it is no function, and calls of it cannot be passed on";
            return Err(Error::refused(target, why, "hook the function inside"));
        }
        if self.how == How::Replace {
            return Ok(()); // it was looked at as a replacement
        }
        let kind = Kind::of_target(target)?;
        let own_kind = Kind::of_callable(named)?.unwrap_or(Kind::Plain);
        if own_kind != Kind::Plain && (self.how.is_observer() || own_kind != kind) {
            let (why, instead) = if self.how.is_observer() {
                ("nobody would use what it returns".to_owned(), Kind::Plain)
            } else {
                (format!("callers of a {kind} do not use what it returns"), kind)
            };
            let why = format!("it is a {own_kind}, and {why}; write it as a {instead}");
            return Err(self.misfit(named, target, &why));
        }
        let outcome = match base {
            _ if self.how == How::Around && takes_positional(named)? => Ok(()),
            _ if self.how == How::Around => self.own_parameters(named)?.map(drop),
            Some(base) => self.observed(named, &signature_of(site, base)?.parameters)?.map(drop),
            None => Ok(()),
        };
        outcome.map_err(|why| self.misfit(named, target, &why))
    }

    fn misfit(&self, named: &Bound<'_, PyAny>, target: &Bound<'_, PyAny>, why: &str) -> Error {
        let how = match self.how {
            How::Error => "at errors of".to_owned(),
            how => how.to_string(),
        };
        Error::argument(format!(
            "cannot call {} {how} {}: {why}",
            describe(named),
            describe(target)
        ))
    }

    /// The body of a function that calls the hook and `original`, which does what `below` says.
    ///
    /// `former` is the one that it has had until now, if it is not new.
    pub(crate) fn body<'py, S: Site<'py>>(
        &self,
        site: &S,
        named: &Bound<'py, PyAny>,
        original: &Bound<'py, PyAny>,
        below: &Body<'py, S>,
        base: &Body<'py, S>,
        former: Option<&Body<'py, S>>,
    ) -> Result<Body<'py, S>, Error> {
        let py = original.py();
        let mut callable = self.callable.bind(py).clone();
        if let Ok(diff) = callable.cast::<PyString>() {
            let function = patched(site, diff, base, below)?;
            if self.reach.is_none() {
                return Ok(site.replaced_by(&function, below)?);
            }
            callable = function.as_any().clone();
        }
        let make = |mut signature: Signature<'py>, is_known: bool| -> Result<Body<'py, S>, Error> {
            let (mut observed, mut is_that_below) = (String::new(), is_known);
            if self.how == How::Replace && !signature.is_that_of(&callable)? {
                signature = Signature { globals: signature.globals, ..Signature::anything() };
                is_that_below = false;
            }
            if self.how.is_observer() {
                let mut found = self.observed(named, &signature.parameters)?;
                // A replacement below has not the parameters of the target. Nor has the target those that
                // it had, if it is the original of a patch and another patch comes or goes below that.
                for known in [Some(base), former].into_iter().flatten() {
                    if found.is_err() {
                        signature = signature_of(site, known)?;
                        is_that_below = false;
                        found = self.observed(named, &signature.parameters)?;
                    }
                }
                observed = found.map_err(|why| self.misfit(named, site.as_any(), &why))?;
            }
            let mut shape = Shape {
                how: self.how,
                kind: Kind::of_target(original)?,
                is_scoped: false,
                parameters: signature.parameters,
                observed,
            };
            let globals = match signature.globals {
                Some(globals) => globals,
                None => py.import("functools")?.dict().into_any(),
            };
            let mut called = vec![callable.clone(), original.clone()];
            if let Some(reach) = &self.reach {
                // In 3.10 a call of any other kind runs no instruction.
                if is_that_below && (cfg!(Py_3_11) || shape.kind == Kind::Plain) {
                    let parameters = shape.parameters.clone();
                    let function = match Function::new(&callable) {
                        Some(function) if self.how == How::Replace => function,
                        _ => trampoline::function(
                            shape.clone(),
                            &called,
                            signature.defaults.clone(),
                            &globals,
                        )?,
                    };
                    if let Some(body) = site.choosing(&function, reach, &parameters, below)? {
                        return Ok(body);
                    }
                }
                shape.is_scoped = true;
                called.push(reach.place(py).clone().into_any());
            }
            let function = trampoline::function(shape, &called, signature.defaults, &globals)?;
            Ok(site.calling(&function, below)?)
        };
        let signature = site.signature(below)?;
        let is_known = signature.is_some();
        match make(signature.unwrap_or_else(Signature::anything), is_known).map_err(PyErr::from) {
            // Code that nobody wrote can name a parameter after a keyword.
            Err(error) if error.is_instance_of::<PySyntaxError>(py) => {
                make(Signature::anything(), false)
            }
            outcome => Ok(outcome?),
        }
    }

    /// The parameters of a hook besides the one for what it is given, if they are known.
    ///
    /// The inner error says what is wrong with them.
    fn own_parameters(
        &self,
        named: &Bound<'_, PyAny>,
    ) -> PyResult<Result<Option<Vec<Parameter>>, String>> {
        // The names are right also where the defaults are not.
        let signature = match Signature::of(named)? {
            None => Signature::shown_by(named)?,
            known => known,
        };
        let Some(signature) = signature else {
            return Ok(Ok(None));
        };
        let mut parameters = signature.parameters;
        if let Some(given) = self.how.given() {
            match parameters.first().map(|first| first.kind) {
                Some(VAR_POSITIONAL) => {}
                Some(kind) if kind < VAR_POSITIONAL => drop(parameters.remove(0)),
                _ => {
                    return Ok(Err(format!("it takes no argument for {given}; write it with one")));
                }
            }
        }
        Ok(Ok(Some(parameters)))
    }

    /// The arguments of an observer, besides what it is given, as they are written in a call.
    ///
    /// The inner error says what does not fit.
    fn observed(
        &self,
        named: &Bound<'_, PyAny>,
        known: &[Parameter],
    ) -> PyResult<Result<String, String>> {
        Ok(self.own_parameters(named)?.and_then(|own| match own {
            Some(own) => write_arguments(&own, known),
            None => Ok(trampoline::arguments(known).join(", ")),
        }))
    }
}

/// What `below` says, with a diff applied to its source text. `base` is what `site` does unpatched.
fn patched<'py, S: Site<'py>>(
    site: &S,
    diff: &Bound<'py, PyString>,
    base: &Body<'py, S>,
    below: &Body<'py, S>,
) -> Result<Function<'py>, Error> {
    match (site.python(base)?, site.python(below)?) {
        (Some((function, base)), Some((_, below))) => {
            let made = Place::of(function, base)?.patched(diff, &below)?;
            let kind = Kind::of_target(site.as_any())?;
            kind.check(site.as_any(), &made)?;
            as_function(&made, kind)
        }
        _ => Err(source::not_python(site.as_any())),
    }
}

/// What a target does now, in a form that does not change when one of its patches goes.
///
/// That is what it has for a body, unless hooks call what lies below them.
pub(crate) fn body_now<'py, S: Site<'py>>(site: &S) -> Result<Body<'py, S>, Error> {
    body_over(site, None)
}

/// The same, with `bottom` in the place of what the target does unpatched.
fn body_over<'py, S: Site<'py>>(
    site: &S,
    bottom: Option<Body<'py, S>>,
) -> Result<Body<'py, S>, Error> {
    let py = site.as_any().py();
    let found = site.with_stack(|stack| {
        let hooked = stack.layers.iter().rev().take_while(|layer| layer.hook.is_some());
        let hooks: Vec<_> = hooked
            .filter_map(|layer| {
                let original = layer.original.as_ref()?.bind(py).clone();
                let hook = layer.hook.as_ref()?.clone_ref(py);
                Some((hook, layer.replacement.bind(py).clone(), original, layer.body.bind(py)))
            })
            .collect();
        if hooks.is_empty() || !stack.is_installed(site) {
            return None;
        }
        let lowest = stack.layers.len() - hooks.len();
        let below = (lowest > 0).then(|| stack.below(lowest).bind(py));
        Some((hooks, below, stack.base(py)))
    });
    let Some(found) = found else {
        return bottom.map_or_else(|| Ok(site.body()?), Ok);
    };
    let Some((hooks, below, base)) = found else {
        return Ok(site.body()?);
    };
    let mut body = below.or(bottom).unwrap_or_else(|| base.clone());
    for (hook, named, original, former) in hooks.iter().rev() {
        // Somebody may have patched what the hook calls. Calls that it is not for may not go through that.
        let called = match S::new(original) {
            Some(original) => body_over(&original, Some(body.clone()))?,
            None => body.clone(),
        };
        let original = site.twin(called)?;
        body = hook.body(site, named, original.as_any(), &body, &base, Some(former))?;
    }
    Ok(body)
}

/// Whether a parameter stands for one argument.
fn is_single(parameter: &Parameter) -> bool {
    parameter.kind != VAR_POSITIONAL && parameter.kind != VAR_KEYWORD
}

/// The arguments of a call, made where `known` are the parameters, of a function with the parameters `own`:
/// those of the same name. `*args` and `**kwargs` take what is left. The name of a parameter that is only
/// positional need not mean anything (`list.append`), so without a namesake it takes the next argument.
fn write_arguments(own: &[Parameter], known: &[Parameter]) -> Result<String, String> {
    let takes_rest = own.iter().any(|it| it.kind == VAR_POSITIONAL);
    let is_named = |it: &&Parameter| own.iter().any(|own| is_single(own) && own.name == it.name);
    let is_positional = |it: &&Parameter| it.kind < VAR_POSITIONAL;
    let mut left = known.iter().filter(|it| !is_named(it)).peekable();
    let (mut arguments, mut is_skipped) = (Vec::new(), false);
    for Parameter { name, kind, has_default } in own {
        match *kind {
            VAR_POSITIONAL => {
                while let Some(it) = left.next_if(|it| it.kind <= VAR_POSITIONAL) {
                    let stars = if it.kind == VAR_POSITIONAL { "*" } else { "" };
                    arguments.push(format!("{stars}{}", it.name));
                }
            }
            VAR_KEYWORD => arguments.extend(left.by_ref().filter_map(|it| match it.kind {
                VAR_KEYWORD => Some(format!("**{}", it.name)),
                POSITIONAL_ONLY | VAR_POSITIONAL => None,
                _ => Some(format!("{0}={0}", it.name)),
            })),
            _ if known.iter().any(|it| it.name == *name) => {
                let by_name = *kind == KEYWORD_ONLY || is_skipped;
                arguments.push(if by_name { format!("{name}={name}") } else { name.clone() });
            }
            POSITIONAL_ONLY if left.peek().is_some_and(is_positional) => {
                arguments.extend(left.next().map(|it| it.name.clone()));
            }
            _ if *has_default && (*kind == KEYWORD_ONLY || !takes_rest) => is_skipped = true,
            _ => {
                let known: Vec<_> = known.iter().map(|it| it.name.as_str()).collect();
                return Err(format!(
                    "it has a parameter '{name}', and the target has none of that name but ({}); name \
                     parameters of the target",
                    known.join(", ")
                ));
            }
        }
    }
    Ok(arguments.join(", "))
}

fn signature_of<'py, S: Site<'py>>(site: &S, body: &Body<'py, S>) -> PyResult<Signature<'py>> {
    Ok(site.signature(body)?.unwrap_or_else(Signature::anything))
}
