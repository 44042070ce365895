//! Load on a server that serves the demonstration's world: slates for its people, by connections
//! that are kept alive.
//!
//! ```text
//! crossfold --data-dir DIR demo --once && crossfold --data-dir DIR serve --port 8080
//! cargo run --release -p crossfold-local --example load -- 127.0.0.1:8080 PID CONNECTIONS SECONDS [RATE]
//! ```
//!
//! `PID` is the server's process, whose processor time and memory are told. Without a rate each
//! connection asks as soon as it was answered (closed loop). With one, requests a second are due at
//! even intervals whatever was answered, whichever connection is free takes the next, and a latency
//! counts from when its request was due (open loop), so that waiting in line is seen.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// People of the demonstration, unless it was told otherwise.
const PEOPLE: u64 = 600;
/// Ticks of a second in `/proc/PID/stat`.
const TICKS: f64 = 100.0;

struct Load {
    address: String,
    /// Requests so far, of all connections.
    next: AtomicU64,
    began: Instant,
    seconds: Duration,
    /// Between two requests that are due, with an open loop.
    interval: Option<Duration>,
}

impl Load {
    /// Asks until the time is over, by one connection; latencies.
    fn ask(&self) -> Outcome<Vec<Duration>> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut writer, mut latencies, mut body) = (stream, Vec::new(), Vec::new());
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = match self.interval {
                Some(interval) => self.began + interval.mul_f64(number as f64),
                None => Instant::now(),
            };
            if due.duration_since(self.began) >= self.seconds {
                return Ok(latencies);
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            writer.write_all(request(&self.address, number).as_bytes())?;
            read_answer(&mut reader, &mut body)?;
            latencies.push(due.elapsed());
        }
    }
}

fn request(address: &str, number: u64) -> String {
    // Each in turn, and no two neighbours after one another.
    let user = number * 7 % PEOPLE;
    let body = format!(
        r#"{{"user_id":"p{user:04}","domain":"knowledge","target_domains":["knowledge","auto-finance"]}}"#
    );
    format!(
        "POST /v1/recommendations HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn read_answer(reader: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> Outcome<()> {
    let (mut line, mut length, mut is_first) = (String::new(), 0, true);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err("the server closed a connection".into());
        }
        if std::mem::take(&mut is_first) && !line.starts_with("HTTP/1.1 200") {
            return Err(line.into());
        }
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        }
    }
    if length == 0 {
        return Err("an answer without a length".into());
    }
    body.resize(length, 0);
    reader.read_exact(body)?;
    Ok(())
}

/// Seconds of processors that a process took.
fn cpu(process: &str) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name may have blanks; what is told stands behind its bracket.
    let told = stat.rsplit_once(')').ok_or("no bracket")?.1;
    let ticks = told.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS)
}

/// Megabytes that a process has in memory.
fn megabytes(process: &str) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.ok_or("no VmRSS")?.parse::<f64>()? / 1024.0)
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, server, connections, seconds, rate @ ..] = args.as_slice() else {
        return Err("ADDRESS PID CONNECTIONS SECONDS [RATE]".into());
    };
    let rate = rate.first().map(|rate| rate.parse::<f64>()).transpose()?;
    let before = (cpu(server)?, cpu("self")?, megabytes(server)?);
    let load = Arc::new(Load {
        address: address.clone(),
        next: AtomicU64::new(0),
        began: Instant::now(),
        seconds: Duration::from_secs_f64(seconds.parse()?),
        interval: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
    });
    let threads: Vec<_> = (0..connections.parse::<usize>()?)
        .map(|_| {
            let load = load.clone();
            std::thread::spawn(move || load.ask())
        })
        .collect();
    let mut latencies = Vec::new();
    for thread in threads {
        latencies.extend(thread.join().map_err(|_| "a connection's thread failed")??);
    }
    let took = load.began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| {
        let last = latencies.len().saturating_sub(1) as f64;
        latencies.get((last * share) as usize).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    let share = |now: f64, before: f64| 100.0 * (now - before) / took;
    println!(
        "{connections} connections, {}: {:.0} requests/s, p50 {:.2} ms, p99 {:.2} ms, most {:.1} ms; \
         of one processor: server {:.0}%, client {:.0}%; server's memory {:.0} MB, then {:.0} MB",
        rate.map_or("closed loop".to_owned(), |rate| format!("{rate:.0}/s due")),
        latencies.len() as f64 / took,
        at(0.5),
        at(0.99),
        at(1.0),
        share(cpu(server)?, before.0),
        share(cpu("self")?, before.1),
        before.2,
        megabytes(server)?,
    );
    Ok(())
}
