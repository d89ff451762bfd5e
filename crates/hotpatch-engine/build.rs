//! Tells the compiler which CPython this build is for (`cfg(Py_3_12)` and the like), and the linker
//! where its libpython is: without the rpath the tests would load whichever the system finds first.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    pyo3_build_config::add_libpython_rpath_link_args();
}
