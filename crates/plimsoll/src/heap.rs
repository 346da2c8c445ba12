//! How much free memory the C library's allocator keeps.
//!
//! By default it learns from the largest block that was ever freed: up to twice 32 MiB are then kept at the end of each arena, and
//! every thread that once answered a large question holds on to it. With fixed bounds what is free goes back.

/// Blocks of this size and more are the kernel's own, and go back when they are freed. Buffers of the data path are smaller.
#[cfg(target_env = "gnu")]
const LARGE: i32 = 512 << 10;
/// What an arena keeps at its end, for what comes next; bytes.
#[cfg(target_env = "gnu")]
const SPARE: i32 = 1 << 20;

/// Before there is a second thread.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
pub fn bound() {
    // SAFETY: `mallopt` takes two numbers and touches nothing of ours; what it refuses stays as it was.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, SPARE);
    }
}

/// Other C libraries have allocators of their own.
#[cfg(not(target_env = "gnu"))]
pub fn bound() {}
