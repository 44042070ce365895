//! S3 on a directory: what the production adapter uses of it.
//!
//! An object is one file, so it is there whole or not at all: it is written
//! beside the others under a name of its own, brought to the disk, and then
//! renamed, which replaces the old file in one step. Its ETag is, as on S3, the
//! MD5 of its content, computed from the content itself and so never out of
//! step with it. Conditions are checked and files replaced under a lock that
//! all writers of a key share.

mod key_path;

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use s3s::crypto::{Checksum, Md5};
use s3s::dto::{
    CreateBucketInput, CreateBucketOutput, DeleteObjectInput, DeleteObjectOutput, ETag,
    ETagCondition, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
    PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp,
};
use s3s::{Body, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::data_directory::DataDirectory;
use super::{EmbeddedError, io_error};
use crate::private_files;

/// Where objects are written before they have their names. No bucket's name
/// begins with a dot.
pub(super) const INCOMING: &str = ".incoming";

/// Writers of different keys wait for each other once in so many times.
const LOCKS: usize = 64;

/// Keys on one page of a listing, the most that S3 gives.
const PAGE_KEYS: usize = 1_000;

/// The server's state.
pub(super) struct DiskS3 {
    disk: Arc<Disk>,
}

struct Disk {
    root: PathBuf,
    /// ETags of files as they were, each under the lock of its key.
    etags: Vec<Mutex<HashMap<PathBuf, KnownETag>>>,
    /// The directory stays locked for as long as a request is under way.
    _directory: Arc<DataDirectory>,
}

/// The ETag of a file, for as long as nobody else changes the file.
struct KnownETag {
    length: u64,
    modified: SystemTime,
    etag: String,
}

/// An object's file. It keeps its content when another one takes its name.
struct Opened {
    file: File,
    length: u64,
    modified: SystemTime,
    etag: String,
}

impl DiskS3 {
    /// A server on the directory's `s3`. What a crash left half written is removed.
    pub(super) fn new(directory: Arc<DataDirectory>) -> Result<Self, EmbeddedError> {
        let root = directory.objects_path();
        let incoming = root.join(INCOMING);
        let clear = || {
            if incoming.exists() {
                fs::remove_dir_all(&incoming)?;
            }
            private_files::create_directory(&incoming)
        };
        clear().map_err(|source| io_error(incoming.display(), source))?;
        let etags = (0..LOCKS).map(|_| Mutex::default()).collect();
        Ok(Self { disk: Arc::new(Disk { root, etags, _directory: directory }) })
    }

    /// Runs what waits for the disk where waiting is allowed.
    async fn on_disk<T, F>(&self, work: F) -> S3Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Disk) -> S3Result<T> + Send + 'static,
    {
        let disk = Arc::clone(&self.disk);
        let done = tokio::task::spawn_blocking(move || work(&disk)).await;
        done.map_err(internal_error)?
    }
}

impl Disk {
    fn bucket(&self, name: &str) -> S3Result<PathBuf> {
        let path = self.root.join(name);
        if path.is_dir() { Ok(path) } else { Err(s3_error!(NoSuchBucket)) }
    }

    fn object(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        Ok(self.bucket(bucket)?.join(key_path::encode(key)))
    }

    fn lock(&self, path: &Path) -> MutexGuard<'_, HashMap<PathBuf, KnownETag>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(path);
        let index = usize::try_from(hash % LOCKS as u64).unwrap_or_default();
        self.etags[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, path: &Path) -> S3Result<Option<Opened>> {
        open(path, &mut self.lock(path)).map_err(internal_error)
    }

    fn put(&self, path: &Path, bytes: &[u8], condition: &Condition) -> S3Result<String> {
        let written = self.write_incoming(bytes).map_err(internal_error)?;
        let etag = hex(&Md5::checksum(bytes));
        let mut etags = self.lock(path);
        let current = open(path, &mut etags).map_err(internal_error)?;
        let published = match condition.refusal(current.as_ref()) {
            Some(refusal) => Err(refusal),
            None => publish(&written, path).map_err(publish_error),
        };
        if let Err(error) = published {
            // It is gone already when only the last step failed.
            let _ = fs::remove_file(&written);
            return Err(error);
        }
        let metadata = fs::metadata(path).map_err(internal_error)?;
        let modified = metadata.modified().map_err(internal_error)?;
        let known = KnownETag { length: metadata.len(), modified, etag: etag.clone() };
        etags.insert(path.to_owned(), known);
        Ok(etag)
    }

    fn write_incoming(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.root.join(INCOMING).join(uuid::Uuid::now_v7().simple().to_string());
        let mut file = private_files::options().write(true).create_new(true).open(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(path)
    }

    fn delete(&self, path: &Path) -> S3Result<()> {
        let mut etags = self.lock(path);
        etags.remove(path);
        let removed = match fs::remove_file(path) {
            Err(error) if is_absence(&error) => return Ok(()),
            removed => removed.and_then(|()| path.parent().map_or(Ok(()), sync_folder)),
        };
        removed.map_err(internal_error)
    }

    /// Keys of a bucket by prefix, in the order of their bytes.
    fn keys(&self, bucket: &str, prefix: &str) -> S3Result<Vec<String>> {
        let bucket = self.bucket(bucket)?;
        // Only what lies in the folder that the prefix names can begin with it.
        let (start, folder) = match prefix.rsplit_once('/') {
            None => (bucket, String::new()),
            Some((folder, _)) => (bucket.join(key_path::encode(folder)), format!("{folder}/")),
        };
        let mut keys = Vec::new();
        walk(&start, &folder, &mut keys).map_err(internal_error)?;
        keys.retain(|key| key.starts_with(prefix));
        keys.sort_unstable();
        Ok(keys)
    }
}

/// Opens an object's file with its ETag, under the lock of its key.
fn open(path: &Path, etags: &mut HashMap<PathBuf, KnownETag>) -> io::Result<Option<Opened>> {
    let mut file = match File::open(path) {
        Err(error) if is_absence(&error) => return Ok(None),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let (length, modified) = (metadata.len(), metadata.modified()?);
    let known =
        etags.get(path).filter(|known| known.length == length && known.modified == modified);
    let etag = match known {
        Some(known) => known.etag.clone(),
        None => {
            let etag = content_etag(&mut file)?;
            etags.insert(path.to_owned(), KnownETag { length, modified, etag: etag.clone() });
            etag
        }
    };
    Ok(Some(Opened { file, length, modified, etag }))
}

fn content_etag(file: &mut File) -> io::Result<String> {
    let mut digest = Md5::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => digest.update(&buffer[..count]),
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(hex(&digest.finalize()))
}

/// Gives a written file its name, and brings the name to the disk.
fn publish(written: &Path, path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    create_folder(folder)?;
    fs::rename(written, path)?;
    sync_folder(folder)
}

fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folder(parent)?;
    }
    private_files::create_directory(folder)?;
    folder.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn publish_error(error: io::Error) -> S3Error {
    match error.kind() {
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            s3_error!(InvalidRequest, "a key cannot be an object and a folder of others at once")
        }
        ErrorKind::InvalidFilename => s3_error!(KeyTooLongError),
        _ => internal_error(error),
    }
}

/// An error of the disk, with what it says: that it is full, most likely.
fn internal_error(error: impl std::fmt::Display) -> S3Error {
    S3Error::with_message(S3ErrorCode::InternalError, error.to_string())
}

fn is_absence(error: &io::Error) -> bool {
    let absences = [
        ErrorKind::NotFound,
        ErrorKind::NotADirectory,
        ErrorKind::IsADirectory,
        ErrorKind::InvalidFilename,
    ];
    absences.contains(&error.kind())
}

/// Collects the keys of the files under a folder, whose own key is `prefix`.
fn walk(folder: &Path, prefix: &str, keys: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if is_absence(&error) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(segment) = name.to_str().and_then(key_path::decode_segment) else { continue };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{prefix}{segment}/"), keys)?;
        } else if kind.is_file() {
            keys.push(format!("{prefix}{segment}"));
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// What a put demands of what is there.
struct Condition {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
}

impl Condition {
    /// The answer when it does not hold.
    fn refusal(&self, current: Option<&Opened>) -> Option<S3Error> {
        let refused = || Some(s3_error!(PreconditionFailed));
        match (&self.if_match, current) {
            (Some(_), None) => return Some(s3_error!(NoSuchKey)),
            (Some(condition), Some(current)) if !matches(condition, current) => return refused(),
            _ => {}
        }
        match (&self.if_none_match, current) {
            (Some(condition), Some(current)) if matches(condition, current) => refused(),
            _ => None,
        }
    }
}

fn matches(condition: &ETagCondition, current: &Opened) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == current.etag,
    }
}

async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let mut bytes = BytesMut::new();
    while let Some(part) = body.next().await {
        bytes.extend_from_slice(
            &part.map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?,
        );
    }
    Ok(bytes.freeze())
}

#[async_trait]
impl S3 for DiskS3 {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = request.input.bucket;
        let create = move |disk: &Disk| create_folder(&disk.root.join(bucket));
        self.on_disk(move |disk| create(disk).map_err(internal_error)).await?;
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let bucket = request.input.bucket;
        self.on_disk(move |disk| disk.bucket(&bucket).map(drop)).await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput { bucket, key, body, if_match, if_none_match, .. } = request.input;
        let bytes = collect(body).await?;
        let condition = Condition { if_match, if_none_match };
        let put = move |disk: &Disk| disk.put(&disk.object(&bucket, &key)?, &bytes, &condition);
        let etag = self.on_disk(put).await?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            ..PutObjectOutput::default()
        }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput { bucket, key, if_none_match, range, .. } = request.input;
        let get = move |disk: &Disk| {
            let opened = disk.open(&disk.object(&bucket, &key)?)?;
            let mut opened = opened.ok_or_else(|| s3_error!(NoSuchKey))?;
            if if_none_match.as_ref().is_some_and(|condition| matches(condition, &opened)) {
                return Err(s3_error!(NotModified));
            }
            let span = match range {
                None => 0..opened.length,
                Some(range) => range.check(opened.length)?,
            };
            let bytes = read_span(&mut opened.file, &span).map_err(internal_error)?;
            let content_range =
                range.map(|_| format!("bytes {}-{}/{}", span.start, span.end - 1, opened.length));
            Ok((opened, bytes, content_range))
        };
        let (opened, bytes, content_range) = self.on_disk(get).await?;
        Ok(S3Response::new(GetObjectOutput {
            content_length: i64::try_from(bytes.len()).ok(),
            body: Some(StreamingBlob::from(Body::from(bytes))),
            content_range,
            e_tag: Some(ETag::Strong(opened.etag)),
            last_modified: Some(Timestamp::from(opened.modified)),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let HeadObjectInput { bucket, key, .. } = request.input;
        let head = move |disk: &Disk| disk.open(&disk.object(&bucket, &key)?);
        let opened = self.on_disk(head).await?.ok_or_else(|| s3_error!(NoSuchKey))?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(opened.length).ok(),
            e_tag: Some(ETag::Strong(opened.etag)),
            last_modified: Some(Timestamp::from(opened.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let DeleteObjectInput { bucket, key, .. } = request.input;
        self.on_disk(move |disk| disk.delete(&disk.object(&bucket, &key)?)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "listing by folder is not implemented"));
        }
        let (bucket, prefix) = (input.bucket.clone(), input.prefix.clone().unwrap_or_default());
        let mut keys = self.on_disk(move |disk| disk.keys(&bucket, &prefix)).await?;
        let after = input.continuation_token.as_ref().max(input.start_after.as_ref());
        if let Some(after) = after {
            keys.drain(..keys.partition_point(|key| key <= after));
        }
        let limit = input.max_keys.and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.unwrap_or(PAGE_KEYS).min(PAGE_KEYS);
        let is_truncated = keys.len() > limit;
        keys.truncate(limit);
        let next = is_truncated.then(|| keys.last().cloned()).flatten();
        let object = |key| Object { key: Some(key), ..Object::default() };
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            key_count: i32::try_from(keys.len()).ok(),
            max_keys: i32::try_from(limit).ok(),
            contents: Some(keys.into_iter().map(object).collect()),
            continuation_token: input.continuation_token,
            next_continuation_token: next,
            is_truncated: Some(is_truncated),
            ..ListObjectsV2Output::default()
        }))
    }
}

fn read_span(file: &mut File, span: &std::ops::Range<u64>) -> io::Result<Bytes> {
    let length = span.end - span.start;
    file.seek(SeekFrom::Start(span.start))?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    file.take(length).read_to_end(&mut bytes)?;
    Ok(Bytes::from(bytes))
}
