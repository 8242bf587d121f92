//! A node that lies: a real one behind a socket at which its answers are changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// What the node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// Nothing that it should not.
    None,
    /// It changes the last byte of a log's data.
    ForgedLog,
    /// It keeps back a log.
    DroppedLog,
    /// It says that this is the newest block.
    Frozen(u64),
}

#[derive(Debug)]
struct State {
    lie: Lie,
    /// Answers that were changed.
    told: usize,
}

/// A lying node. Dropping it ends its connections.
#[derive(Debug)]
pub(super) struct Liar {
    path: PathBuf,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Liar {
    /// A liar in front of the node at the socket `target`, at a socket in `folder`.
    pub(super) fn start(target: &Path, folder: &Path) -> Self {
        let path = folder.join("liar.ipc");
        let listener = UnixListener::bind(&path).expect("a free path");
        let state = Arc::new(Mutex::new(State { lie: Lie::None, told: 0 }));
        let accepting = tokio::spawn(accept(listener, target.to_owned(), Arc::clone(&state)));
        Self { path, state, accepting }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("ipc:{}", self.path.display())
    }

    pub(super) fn tell(&self, lie: Lie) {
        lock(&self.state).lie = lie;
    }

    pub(super) fn told(&self) -> usize {
        lock(&self.state).told
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics while holding it")
}

async fn accept(listener: UnixListener, target: PathBuf, state: Arc<Mutex<State>>) {
    // Connections end with this task.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let node = UnixStream::connect(&target).await.expect("the node lives");
        let (from_client, to_client) = client.into_split();
        let (from_node, to_node) = node.into_split();
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let (state_in, state_out) = (Arc::clone(&state), Arc::clone(&state));
        let asked_in = Arc::clone(&asked);
        connections.spawn(pump(from_client, to_node, move |request| ask(request, &lock(&state_in), &asked_in)));
        connections.spawn(pump(from_node, to_client, move |answer| reply(answer, &mut lock(&state_out), &asked)));
    }
}

/// What was asked, by the number of the request.
type Asked = Mutex<HashMap<u64, (String, Value)>>;

/// Passes JSON values on, as `change` makes them; `None` are kept back.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut change: impl FnMut(Value) -> Option<Value>) {
    let mut bytes = Vec::new();
    while from.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
        let mut values = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
        let mut out = Vec::new();
        while let Some(Ok(value)) = values.next() {
            out.extend(change(value).map_or_else(String::new, |value| format!("{value}\n")).into_bytes());
        }
        let read = values.byte_offset();
        bytes.drain(..read);
        if to.write_all(&out).await.is_err() {
            return;
        }
    }
}

fn ask(mut request: Value, state: &State, asked: &Asked) -> Option<Value> {
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    if let Lie::Frozen(number) = state.lie
        && method == "eth_getBlockByNumber"
        && request["params"][0] == "latest"
    {
        request["params"][0] = json!(format!("{number:#x}"));
    }
    let id = request["id"].as_u64()?;
    asked.lock().expect("nobody panics while holding it").insert(id, (method, request["params"].clone()));
    Some(request)
}

fn reply(mut answer: Value, state: &mut State, asked: &Asked) -> Option<Value> {
    let Some(id) = answer["id"].as_u64() else {
        // An announcement.
        return (!matches!(state.lie, Lie::Frozen(_))).then_some(answer);
    };
    let (method, params) = asked.lock().expect("nobody panics while holding it").remove(&id)?;
    let truth = answer["result"].clone();
    match (state.lie, method.as_str()) {
        (Lie::ForgedLog, "eth_getLogs") => forge(&mut answer["result"]),
        (Lie::DroppedLog, "eth_getLogs") => drop(answer["result"].as_array_mut().and_then(Vec::pop)),
        (Lie::Frozen(newest), "eth_getBlockByNumber") => {
            let number = params[0].as_str().and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok());
            if number.is_some_and(|number| number > newest) {
                answer["result"] = Value::Null;
            }
        }
        _ => {}
    }
    state.told += usize::from(answer["result"] != truth);
    Some(answer)
}

fn forge(logs: &mut Value) {
    let Some(data) = logs.as_array_mut().and_then(|logs| logs.first_mut()).map(|log| &mut log["data"]) else { return };
    let mut text = data.as_str().expect("a log has data").to_owned();
    let last = text.pop();
    text.push(if last == Some('0') { '1' } else { '0' });
    *data = json!(text);
}
