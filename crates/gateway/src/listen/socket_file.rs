//! The file of a Unix socket: made with its permissions, cleared away when the process that made it is gone, and
//! removed at the end.

use super::bind::BACKLOG;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Removed when dropped, unless somebody listens there by then. Listeners of one's own must be closed before.
pub struct SocketFile {
    path: PathBuf,
    handed_over: bool,
}

impl SocketFile {
    pub fn at(path: &Path) -> SocketFile {
        SocketFile {
            path: path.to_owned(),
            handed_over: false,
        }
    }

    /// A socket that listens at this path.
    ///
    /// # Errors
    /// What the system says, or that something else is there.
    pub fn listen(path: &Path, mode: u32) -> io::Result<Socket> {
        listen(path, mode)
    }

    /// The file is another process's from now on.
    pub fn hand_over(mut self) {
        self.handed_over = true;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.handed_over {
            let _ = clear(&self.path);
        }
    }
}

/// # Errors
/// What the system says, or that something else is there.
pub(super) fn listen(path: &Path, mode: u32) -> io::Result<Socket> {
    clear(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before it listens, so that nobody gets in by wider ones.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Removes a socket that nobody listens on.
fn clear(path: &Path) -> io::Result<()> {
    let taken = |what: &str| Err(io::Error::new(ErrorKind::AddrInUse, what));
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
        Ok(meta) if !meta.file_type().is_socket() => {
            return taken("a file is there that is no socket");
        }
        Ok(_) => {}
    }
    let asks = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    asks.set_nonblocking(true)?;
    match asks.connect(&SockAddr::unix(path)?) {
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
        _ => taken("another process listens there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_nobody_listens_on_is_cleared_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let first = listen(&path, 0o640).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let taken = listen(&path, 0o640).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        drop(first);
        assert!(path.exists(), "what a process leaves that was killed");
        let second = listen(&path, 0o600).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(second);
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(listen(&file, 0o600).is_err());
        assert_eq!(fs::read(&file).unwrap(), b"precious");
    }

    #[test]
    fn only_the_own_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let make = || (listen(&path, 0o600).unwrap(), SocketFile::at(&path));
        drop(make());
        assert!(!path.exists());
        let (socket, file) = make();
        file.hand_over();
        assert!(path.exists());
        drop(socket);
        let (old, file) = make();
        drop(old);
        let newer = make();
        drop(file);
        assert!(path.exists(), "another process has made it anew");
        drop(newer);
    }
}
