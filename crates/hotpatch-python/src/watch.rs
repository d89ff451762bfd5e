//! The watcher of `hotpatch_reload`, for Python.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hotpatch_reload::{Change, Waited};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// How long a signal waits at most until its handler runs.
const SLICE: Duration = Duration::from_millis(100);

/// Paths and contents.
type Changes<'py> = Vec<(OsString, Bound<'py, PyBytes>)>;

/// Watches files, and tells which of them have another content.
#[pyclass(frozen, module = "hotpatch._native")]
pub(crate) struct Watcher(hotpatch_reload::Watcher);

#[pymethods]
impl Watcher {
    #[new]
    #[pyo3(signature = (*, debounce = 0.02, poll = None))]
    fn new(py: Python<'_>, debounce: f64, poll: Option<f64>) -> PyResult<Self> {
        let debounce = duration("debounce", debounce)?;
        let poll = poll.map(|poll| duration("poll", poll)).transpose()?;
        Ok(Self(py.detach(|| hotpatch_reload::Watcher::new(debounce, poll))))
    }

    /// Watch a file, and tell when its content is another than this, or than it is now.
    #[pyo3(signature = (path, content = None, *, root = None))]
    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of the argument")]
    fn add(&self, py: Python<'_>, path: PathBuf, content: Option<&[u8]>, root: Option<PathBuf>) {
        py.detach(|| self.0.add(&path, content, root.as_deref()));
    }

    /// Watch a file no longer.
    #[pyo3(signature = (path, /))]
    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of the argument")]
    fn remove(&self, py: Python<'_>, path: PathBuf) {
        py.detach(|| self.0.remove(&path));
    }

    /// Wait until files have another content, and return their paths and contents.
    #[pyo3(signature = (timeout = None))]
    fn wait<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Changes<'py>>> {
        let timeout = timeout.map(|timeout| duration("timeout", timeout)).transpose()?;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        // Handlers of signals run in the main thread alone, which must come back to Python for them.
        let slice = is_main_thread(py)?.then_some(SLICE);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let time = [left, slice].into_iter().flatten().min();
            match py.detach(|| self.0.wait(time)) {
                Waited::Closed => return Ok(None),
                Waited::Nothing if time != left => py.check_signals()?,
                Waited::Nothing | Waited::Notice => return Ok(Some(Vec::new())),
                Waited::Changes(changes) => {
                    let told =
                        |it: Change| (it.path.into_os_string(), PyBytes::new(py, &it.content));
                    return Ok(Some(changes.into_iter().map(told).collect()));
                }
            }
        }
    }

    /// Why the files are looked at each second, if they are although nobody asked for it.
    #[getter]
    fn notice(&self, py: Python<'_>) -> Option<String> {
        py.detach(|| self.0.notice())
    }

    /// Stop to watch, and let go whoever waits.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

fn duration(name: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| PyValueError::new_err(format!("{name}={seconds} is no number of seconds")))
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    main.eq(threading.call_method0("get_ident")?)
}
