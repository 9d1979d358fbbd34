//! A line to a server that a test can cut: what a network or a restart of the server does to whoever is connected.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Passes everything on to a server on loopback, until it is cut.
#[derive(Debug)]
pub struct Line {
    near: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    far: SocketAddr,
    is_cut: AtomicBool,
    /// Both ends of what is connected.
    ends: Mutex<Vec<TcpStream>>,
}

impl Line {
    /// A line to the server of a kubeconfig, which must be on 127.0.0.1; and, beside that file, one that leads over the line.
    pub fn to_cluster(kubeconfig: &Path) -> (Self, PathBuf) {
        let text = std::fs::read_to_string(kubeconfig).expect("the kubeconfig can be read");
        let at = text.find("https://127.0.0.1:").expect("the server is on loopback") + "https://".len();
        let server = text[at..].lines().next().expect("the server's address ends its line").trim();
        let line = Self::to(server.parse().expect("an address and a port"));
        let over_line = kubeconfig.with_extension(format!("over-{}", line.near.port()));
        std::fs::write(&over_line, text.replace(server, &line.near.to_string()))
            .expect("the other kubeconfig is written");
        (line, over_line)
    }

    fn to(far: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let near = listener.local_addr().expect("it is bound");
        let state = Arc::new(State { far, is_cut: AtomicBool::new(false), ends: Mutex::default() });
        let accepting = Arc::clone(&state);
        // Ends with the test's process: a listener cannot be told to stop accepting.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = accepting.connect(stream);
            }
        });
        Self { near, state }
    }

    /// Ends every connection and takes no new one.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        for end in self.state.ends.lock().expect("no holder panics").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
    }
}

impl State {
    fn connect(&self, near: TcpStream) -> io::Result<()> {
        let mut ends = self.ends.lock().expect("no holder panics");
        if self.is_cut.load(Ordering::SeqCst) {
            return near.shutdown(Shutdown::Both);
        }
        let far = TcpStream::connect(self.far)?;
        ends.extend([near.try_clone()?, far.try_clone()?]);
        pass_on(near.try_clone()?, far.try_clone()?);
        pass_on(far, near);
        Ok(())
    }
}

/// Copies until one side ends, and then ends the other.
fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let _ = (from.set_nodelay(true), to.set_nodelay(true));
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
