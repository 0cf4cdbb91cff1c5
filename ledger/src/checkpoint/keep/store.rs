//! An object in an S3-compatible store, by signed URLs (`rusty-s3`). Turn on the bucket's versioning or object lock,
//! and whoever owns the service can't make old checkpoints unsaid either.

use crate::checkpoint::http;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use std::fmt;
use std::time::Duration;
use url::Url;

/// How long a signed URL could be used.
const VALIDITY: Duration = Duration::from_secs(60);

/// Where the object is, and what opens it.
#[derive(Clone)]
pub struct ObjectStore {
    bucket: Bucket,
    credentials: Credentials,
    object: String,
    client: reqwest::Client,
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectStore({self})")
    }
}

impl fmt::Display for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket.name(), self.object)
    }
}

impl ObjectStore {
    /// An object `object` of `bucket`, addressed in path style (`https://endpoint/bucket/object`).
    ///
    /// # Errors
    /// The endpoint is no address of a server.
    pub fn new(
        endpoint: Url,
        region: String,
        bucket: String,
        object: String,
        (key, secret): (String, String),
    ) -> Result<Self, String> {
        let bucket = Bucket::new(endpoint, UrlStyle::Path, bucket, region).map_err(|error| error.to_string())?;
        let client = http::client().map_err(|error| error.to_string())?;
        Ok(Self { bucket, credentials: Credentials::new(key, secret), object, client })
    }

    /// The object, where there is one.
    pub(super) async fn get(&self) -> Result<Option<String>, String> {
        let url = self.bucket.get_object(Some(&self.credentials), &self.object).sign(VALIDITY);
        let (status, body) = http::text(self.client.get(url)).await?;
        match status.as_u16() {
            200 => Ok(Some(body)),
            404 => Ok(None),
            _ => Err(format!("the store answers {status}")),
        }
    }

    pub(super) async fn put(&self, text: &str) -> Result<(), String> {
        let url = self.bucket.put_object(Some(&self.credentials), &self.object).sign(VALIDITY);
        let (status, _) = http::text(self.client.put(url).body(text.to_owned())).await?;
        if status.is_success() { Ok(()) } else { Err(format!("the store answers {status}")) }
    }
}
