//! Writes the first corpus of the fuzz targets: `cargo run -p alphapulse-hostile --example seeds -- fuzz/corpus`. Honest inputs
//! from the golden files; fuzzing adds to them.

use std::fs;
use std::io;
use std::path::Path;

use alphapulse_hostile::golden;
use alphapulse_hostile::reference::{FRAME_HEADER_BYTES, First, TEMPLATES, first_frame};

fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let folder = Path::new(&folder);
    write_frames(folder)?;
    write_connections(folder)?;
    write_segments(folder)?;
    write_logs(folder)
}

fn write(folder: &Path, target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

fn write_frames(folder: &Path) -> io::Result<()> {
    for (_, name, ..) in TEMPLATES {
        write(folder, "frame", name, &golden::bytes(name))?;
    }
    write(folder, "frame", "session", &golden::bytes("session"))
}

/// What the client says, and what the relay says, of the golden connections.
fn write_connections(folder: &Path) -> io::Result<()> {
    let greeting = golden::bytes("Hello");
    let request = golden::bytes("Subscribe");
    let anew = subscribe(0);
    let version_1 = hello(1, 1);
    let publish = golden::bytes("Publish");
    let side = golden::bytes("Opportunity");
    let peers: [(&str, Vec<u8>); 14] = [
        ("nothing", Vec::new()),
        ("hello", greeting.clone()),
        ("hello_cut_short", greeting[..20].to_vec()),
        ("hello_of_version_1", version_1.clone()),
        ("hello_of_version_9", hello(9, 9)),
        ("talks_after_version_1", [version_1, greeting.clone()].concat()),
        ("goes_on", [greeting.clone(), request.clone()].concat()),
        ("begins", [greeting.clone(), anew.clone()].concat()),
        ("talks_on", [greeting.clone(), anew, request.clone()].concat()),
        ("proves", [greeting.clone(), golden::bytes("Proof")].concat()),
        ("publishes", [greeting.clone(), publish.clone(), side].concat()),
        ("publishes_what_it_may_not", [greeting.clone(), publish.clone(), request.clone()].concat()),
        ("publishes_what_only_sources_say", [greeting.clone(), publish, golden::bytes("Finality")].concat()),
        ("subscribes_first", [request, greeting].concat()),
    ];
    for (name, bytes) in peers {
        write(folder, "handshake", name, &bytes)?;
    }
    for name in ["session", "resumed_session"] {
        let connection = golden::bytes(name);
        write(folder, "subscription", name, &connection)?;
        for (at, place) in frames(&connection).into_iter().enumerate().skip(3).step_by(3) {
            write(folder, "subscription", &format!("{name}_{at}"), &connection[..place])?;
        }
    }
    Ok(())
}

fn subscribe(epoch: u64) -> Vec<u8> {
    let mut frame = golden::bytes("Subscribe");
    frame[FRAME_HEADER_BYTES + 24..][..8].copy_from_slice(&epoch.to_le_bytes());
    alphapulse_hostile::repair::checksum(&mut frame);
    frame
}

fn hello(version_min: u16, version_max: u16) -> Vec<u8> {
    let mut frame = golden::bytes("Hello");
    frame[FRAME_HEADER_BYTES + 24..][..2].copy_from_slice(&version_min.to_le_bytes());
    frame[FRAME_HEADER_BYTES + 26..][..2].copy_from_slice(&version_max.to_le_bytes());
    alphapulse_hostile::repair::checksum(&mut frame);
    frame
}

/// Places behind each frame.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut places = vec![0];
    let mut rest = bytes;
    while let First::Whole { rest: behind, .. } = first_frame(rest) {
        places.push(bytes.len() - behind.len());
        rest = behind;
    }
    places
}

/// Segments as the first and as the second of a journal, whole and torn.
fn write_segments(folder: &Path) -> io::Result<()> {
    for index in [0, 1_u32] {
        let mut begin = golden::bytes("SegmentBegin");
        begin[FRAME_HEADER_BYTES + 24..][..8].copy_from_slice(&31_337_u64.to_le_bytes());
        begin[FRAME_HEADER_BYTES + 40..][..4].copy_from_slice(&index.to_le_bytes());
        alphapulse_hostile::repair::checksum(&mut begin);
        let mut segment = begin.clone();
        write(folder, "journal", &format!("begin_{index}"), &segment)?;
        for (template, name, ..) in TEMPLATES {
            if template >= 16 && template != 48 {
                segment.extend(golden::bytes(name));
            }
        }
        let few = [begin, golden::bytes("Clock"), golden::bytes("Verdict"), golden::bytes("Halt")].concat();
        write(folder, "journal", &format!("records_{index}"), &segment)?;
        write(folder, "journal", &format!("few_{index}"), &few)?;
        write(folder, "journal", &format!("torn_{index}"), &few[..few.len() - 9])?;
        // A record that was cut, and would have held a whole frame: what a damaged length that swallows frames looks like.
        let mut holder = [golden::bytes("Token"), golden::bytes("Clock"), vec![0; 8]].concat();
        alphapulse_hostile::repair::frame(&mut holder);
        let inside = [&few[..], &holder[..holder.len() - 4]].concat();
        write(folder, "journal", &format!("frame_in_cut_frame_{index}"), &inside)?;
        let damaged: Vec<u8> = few.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 100)).collect();
        write(folder, "journal", &format!("damaged_{index}"), &damaged)?;
    }
    Ok(())
}

/// Logs of every event, in the form that the judge of logs shapes.
fn write_logs(folder: &Path) -> io::Result<()> {
    // Contract, event, further topics, words of data.
    let events: [(&str, [u8; 4]); 6] = [
        ("sync", [0, 0, 0, 2]),
        ("initialize", [1, 1, 0, 2]),
        ("swap", [1, 2, 2, 5]),
        ("mint", [1, 3, 3, 4]),
        ("burn", [1, 4, 3, 3]),
        ("pancake_swap", [1, 5, 2, 7]),
    ];
    let mut block = Vec::new();
    for (name, [contract, event, further, words]) in events {
        let mut log = vec![contract, event, further, 0, event];
        for topic in 1..=further {
            log.extend(word(if topic == 1 { 0xabc } else { u64::from(topic) * 60 }));
        }
        log.push(words);
        (0..words).for_each(|at| log.extend(word(1000 + u64::from(at))));
        write(folder, "logs", name, &log)?;
        block.extend(log);
    }
    write(folder, "logs", "block", &block)?;
    let mut too_wide = block[..6 + 64].to_vec();
    too_wide[6] = 1;
    write(folder, "logs", "too_wide_reserves", &too_wide)?;
    write(folder, "logs", "short_data", &block[..60])?;
    write(folder, "logs", "empty_answer", b"[]")?;
    let json = format!(
        r#"[{{"address":"0x{}","topics":["0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1"],"data":"0x{}{}","blockHash":"0x{}","blockNumber":"0x64","transactionHash":"0x{}","transactionIndex":"0x0","logIndex":"0x0","removed":false}}]"#,
        "11".repeat(20),
        "0".repeat(61) + "3e8",
        "0".repeat(61) + "7d0",
        "b1".repeat(32),
        "cc".repeat(32),
    );
    write(folder, "logs", "answer", json.as_bytes())
}

fn word(value: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}
