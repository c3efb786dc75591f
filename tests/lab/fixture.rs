
// What every library of the laboratory exports beside its own functions.
mod lab {
    use std::ffi::{CStr, c_char};

    unsafe fn answer(text: &str, out: *mut u8, len: usize) -> usize {
        let len = text.len().min(len);
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), out, len) };
        len
    }

    fn describe(outcome: Result<midair::Report, midair::Error>) -> String {
        match outcome {
            Ok(report) => {
                let functions: Vec<_> =
                    report.functions.iter().map(|f| format!("{} {:?}", f.name, f.outcome)).collect();
                format!("ok {} {}", report.generation, functions.join(", "))
            }
            // The errors of this image's own domain come as they are.
            Err(error @ midair::Error::Domain { .. }) => format!("elsewhere {error}"),
            Err(error) => format!("{:?}: {}", error.kind(), error.explain()),
        }
    }

    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn lab_reload(path: *const c_char, out: *mut u8, len: usize) -> usize {
        let path = unsafe { CStr::from_ptr(path) }.to_str().unwrap();
        unsafe { answer(&describe(midair::reload(path)), out, len) }
    }

    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn lab_wait(millis: *const c_char, out: *mut u8, len: usize) -> usize {
        let millis = unsafe { CStr::from_ptr(millis) }.to_str().unwrap().parse().unwrap();
        let outcome = midair::wait_for_patch(std::time::Duration::from_millis(millis));
        unsafe { answer(&describe(outcome), out, len) }
    }

    #[unsafe(no_mangle)]
    pub extern "C" fn lab_generation(_: u64) -> u64 {
        midair::generation()
    }

    #[unsafe(no_mangle)]
    pub extern "C" fn lab_is_hotpatched(_: u64) -> u64 {
        midair::is_hotpatched().into()
    }
}
