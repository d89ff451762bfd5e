//! Writing the instructions of CPython.
//!
//! CPython itself says what they are called, which numbers they have and how much room they take
//! (`Lib/opcode.py`); how they are put together here was tried on each of 3.10 to 3.15.

use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use crate::signature::{KEYWORD_ONLY, Parameter, VAR_KEYWORD, VAR_POSITIONAL};

/// The bytes of a code unit.
pub(crate) const UNIT: usize = 2;
// Operands of `BINARY_OP` (`_nb_ops`, Lib/opcode.py, 3.11 to 3.15).
const ADD: usize = 0;
const OR: usize = 7;
/// Whether a conditional jump leaves on the stack what it has looked at. Since 3.12 none does
/// (Lib/opcode.py), and copying it would be more than twice what the jump costs.
pub(crate) const KEEPS: bool = cfg!(not(Py_3_12));

macro_rules! instructions {
    ($($name:ident)*) => {
        /// The instructions that are written here, by the names that CPython gives them.
        #[derive(Clone, Copy)]
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "so they are called")]
        pub(crate) enum Op {
            $($name),*
        }

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}
instructions! {
    BINARY_ADD BINARY_OP BINARY_OR BUILD_MAP BUILD_TUPLE CALL CALL_FUNCTION CALL_FUNCTION_EX
    COPY_FREE_VARS EXTENDED_ARG JUMP_IF_TRUE_OR_POP LOAD_CONST LOAD_DEREF LOAD_FAST
    MAKE_CELL MAKE_FUNCTION POP_JUMP_IF_NOT_NONE PRECALL PUSH_NULL RESUME RETURN_VALUE
    SWAP UNARY_INVERT
}

/// What this interpreter has of them.
struct Opcodes {
    /// The number of each, and how many units its inline cache takes.
    known: [Option<(u8, usize)>; NAMES.len()],
    /// The numbers of those that jump to a place which they count from the beginning (3.10).
    absolute: Vec<u8>,
}

impl Opcodes {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        static KNOWN: PyOnceLock<Opcodes> = PyOnceLock::new();
        KNOWN.get_or_try_init(py, || {
            let module = py.import("opcode")?;
            let numbers = module.getattr("opmap")?; // since 3.15 it is no dict, but a frozendict
            let caches = module.getattr_opt("_inline_cache_entries")?; // 3.11
            let mut known = [None; NAMES.len()];
            for (known, name) in known.iter_mut().zip(NAMES) {
                if !numbers.contains(name)? {
                    continue;
                }
                let number = numbers.get_item(name)?;
                let cache = match &caches {
                    // A list by number, and since 3.13 a mapping that leaves out what has none.
                    Some(caches) if cfg!(Py_3_13) => {
                        caches.call_method1("get", (name, 0))?.extract()?
                    }
                    Some(caches) => caches.get_item(&number)?.extract()?,
                    None => 0,
                };
                *known = Some((number.extract()?, cache));
            }
            let absolute =
                if cfg!(Py_3_11) { Vec::new() } else { module.getattr("hasjabs")?.extract()? };
            Ok(Self { known, absolute })
        })
    }

    fn number(&self, op: Op) -> PyResult<(u8, usize)> {
        self.known[op as usize].ok_or_else(|| {
            PySystemError::new_err(format!("CPython has no {} here", NAMES[op as usize]))
        })
    }
}

/// Writes instructions.
pub(crate) struct Assembler {
    opcodes: &'static Opcodes,
    pub(crate) bytes: Vec<u8>,
}

impl Assembler {
    pub(crate) fn new(py: Python<'_>) -> PyResult<Self> {
        Ok(Self { opcodes: Opcodes::get(py)?, bytes: Vec::with_capacity(64) })
    }

    pub(crate) fn units(&self) -> usize {
        self.bytes.len() / UNIT
    }

    pub(crate) fn emit(&mut self, op: Op, operand: usize) -> PyResult<()> {
        let (number, cache) = self.opcodes.number(op)?;
        let operand = u32::try_from(operand)?.to_be_bytes();
        let skipped = operand[..3].iter().take_while(|byte| **byte == 0).count();
        for byte in &operand[skipped..3] {
            self.bytes.extend([self.opcodes.number(Op::EXTENDED_ARG)?.0, *byte]);
        }
        self.bytes.extend([number, operand[3]]);
        self.bytes.resize(self.bytes.len() + cache * UNIT, 0);
        Ok(())
    }

    /// How many bytes code begins with that put its variables into cells, since 3.11.
    pub(crate) fn making_cells(&self, code: &[u8]) -> PyResult<usize> {
        if cfg!(not(Py_3_11)) {
            return Ok(0); // they are there from the start
        }
        let known = &self.opcodes;
        let (extended, _) = known.number(Op::EXTENDED_ARG)?;
        let making = [known.number(Op::COPY_FREE_VARS)?.0, known.number(Op::MAKE_CELL)?.0];
        let mut length = 0;
        for (index, unit) in code.chunks_exact(UNIT).enumerate() {
            if making.contains(&unit[0]) {
                length = (index + 1) * UNIT;
            } else if unit[0] != extended {
                break;
            }
        }
        Ok(length)
    }

    /// 3.10: other code behind `units` others. `None` if an instruction would need more room.
    pub(crate) fn moved(&self, code: &[u8], units: usize) -> Option<Vec<u8>> {
        let (extended, _) = self.opcodes.number(Op::EXTENDED_ARG).ok()?;
        let mut moved = code.to_vec();
        let (mut first, mut operand) = (0, 0);
        for index in (0..code.len()).step_by(UNIT) {
            operand = operand << 8 | usize::from(code[index + 1]);
            if code[index] == extended {
                continue;
            }
            if self.opcodes.absolute.contains(&code[index]) {
                let mut target = operand + units;
                for place in (first..index + UNIT).step_by(UNIT).rev() {
                    moved[place + 1] = (target & 0xff).try_into().ok()?;
                    target >>= 8;
                }
                if target > 0 {
                    return None;
                }
            }
            (first, operand) = (index + UNIT, 0);
        }
        Some(moved)
    }

    /// Puts `~` of a constant on the stack.
    pub(crate) fn ask(&mut self, constant: usize) -> PyResult<()> {
        self.emit(Op::LOAD_CONST, constant)?;
        self.emit(Op::UNARY_INVERT, 0)
    }

    /// Jumps over so many units unless None is on the stack. Takes that off; anything else stays if [`KEEPS`]
    /// is true, and goes too otherwise.
    pub(crate) fn jump_over(&mut self, units: usize) -> PyResult<()> {
        if cfg!(Py_3_12) {
            return self.emit(Op::POP_JUMP_IF_NOT_NONE, units);
        }
        if cfg!(Py_3_11) {
            return self.emit(Op::JUMP_IF_TRUE_OR_POP, units);
        }
        // To a place that depends on how much room it takes itself.
        let before = self.units();
        for own in 1.. {
            self.emit(Op::JUMP_IF_TRUE_OR_POP, before + own + units)?;
            if self.units() == before + own {
                break;
            }
            self.bytes.truncate(before * UNIT);
        }
        Ok(())
    }

    /// Calls what is on the stack with the arguments of `code`, and returns the result. Returns how much stack
    /// that takes.
    pub(crate) fn call<'py>(
        &mut self,
        code: &Bound<'py, PyAny>,
        parameters: &[Parameter],
        constants: &mut Vec<Bound<'py, PyAny>>,
    ) -> PyResult<usize> {
        let py = code.py();
        // The arguments that inner functions use are in cells, and only there.
        let cells: Vec<String> = code.getattr(intern!(py, "co_cellvars"))?.extract()?;
        let by_kind = |wanted: &dyn Fn(u8) -> bool| -> Vec<&Parameter> {
            parameters.iter().filter(|parameter| wanted(parameter.kind)).collect()
        };
        let positional = by_kind(&|kind| kind < VAR_POSITIONAL);
        let keywords = by_kind(&|kind| kind == KEYWORD_ONLY);
        let rest = by_kind(&|kind| kind == VAR_POSITIONAL).pop();
        let rest_of_keywords = by_kind(&|kind| kind == VAR_KEYWORD).pop();
        // This is the order in which code objects have them.
        let at_keywords = positional.len();
        let at_rest = at_keywords + keywords.len();
        let at_rest_of_keywords = at_rest + usize::from(rest.is_some());
        let load = |this: &mut Self, parameter: &Parameter, at: usize| match cells
            .iter()
            .position(|cell| *cell == parameter.name)
        {
            // Since 3.11 the cell of an argument has its place.
            Some(cell) => this.emit(Op::LOAD_DEREF, if cfg!(Py_3_11) { at } else { cell }),
            None => this.emit(Op::LOAD_FAST, at),
        };
        let mut constant = |this: &mut Self, value: Bound<'py, PyAny>| {
            constants.push(value);
            this.emit(Op::LOAD_CONST, constants.len() - 1)
        };

        if cfg!(Py_3_11) {
            self.emit(Op::RESUME, 0)?;
            self.emit(Op::PUSH_NULL, 0)?;
        }
        if cfg!(all(Py_3_11, not(Py_3_13))) {
            self.emit(Op::SWAP, 2)?; // since 3.13 the NULL comes second
        }
        let is_simple = positional.len() == parameters.len();
        if !is_simple && positional.is_empty() && rest.is_none() {
            // A debug build would mind a tuple made of nothing, which is immortal (3.15).
            constant(self, PyTuple::empty(py).into_any())?;
        }
        for (at, parameter) in positional.iter().enumerate() {
            load(self, parameter, at)?;
        }
        if is_simple {
            let count = positional.len();
            if cfg!(not(Py_3_11)) {
                self.emit(Op::CALL_FUNCTION, count)?;
            } else {
                if cfg!(not(Py_3_12)) {
                    self.emit(Op::PRECALL, count)?;
                }
                self.emit(Op::CALL, count)?;
            }
            self.emit(Op::RETURN_VALUE, 0)?;
            return Ok(2 + count);
        }
        if !positional.is_empty() {
            self.emit(Op::BUILD_TUPLE, positional.len())?;
        }
        if let Some(rest) = rest {
            load(self, rest, at_rest)?;
            if !positional.is_empty() {
                self.binary(Op::BINARY_ADD, ADD)?;
            }
        }
        for (at, parameter) in keywords.iter().enumerate() {
            constant(self, parameter.name.as_str().into_pyobject(py)?.into_any())?;
            load(self, parameter, at_keywords + at)?;
        }
        if !keywords.is_empty() {
            self.emit(Op::BUILD_MAP, keywords.len())?;
        }
        if let Some(rest) = rest_of_keywords {
            load(self, rest, at_rest_of_keywords)?;
            if !keywords.is_empty() {
                self.binary(Op::BINARY_OR, OR)?;
            }
        }
        let has_keywords = !keywords.is_empty() || rest_of_keywords.is_some();
        if cfg!(Py_3_14) {
            if !has_keywords {
                self.emit(Op::PUSH_NULL, 0)?; // since 3.14 there is always something for them
            }
            self.emit(Op::CALL_FUNCTION_EX, 0)?;
        } else {
            self.emit(Op::CALL_FUNCTION_EX, usize::from(has_keywords))?;
        }
        self.emit(Op::RETURN_VALUE, 0)?;
        Ok(2 + positional.len().max(1 + 2 * keywords.len()) + 2)
    }

    /// An operator, by its own instruction in 3.10.
    fn binary(&mut self, op: Op, operator: usize) -> PyResult<()> {
        if cfg!(Py_3_11) { self.emit(Op::BINARY_OP, operator) } else { self.emit(op, 0) }
    }
}
