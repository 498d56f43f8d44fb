//! The S3 operations of the in-memory server, on top of [`State`].
//!
//! Only what object stores and tables use; anything else is answered with `NotImplemented` by
//! the protocol crate, so a test cannot pass on an operation that does nothing.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
    DeletedObject, ETag, ETagCondition, GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input,
    ListObjectsV2Output, PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::listing;
use super::state::{Condition, Refused, State, Stored};

/// The operations; the state is shared with the handle the test holds.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    pub(super) state: Arc<State>,
    pub(super) region: String,
}

impl Backend {
    fn stored(&self, bucket: &str, key: &str) -> S3Result<Stored> {
        if !self.state.has_bucket(bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        self.state.get(bucket, key).ok_or_else(|| s3_error!(NoSuchKey))
    }
}

fn refusal(refused: Refused) -> S3Error {
    match refused {
        Refused::NoBucket => s3_error!(NoSuchBucket),
        Refused::Condition => s3_error!(PreconditionFailed),
        Refused::NoUpload => s3_error!(NoSuchUpload),
        Refused::BadPart => s3_error!(InvalidPart),
    }
}

fn condition(if_match: Option<&ETagCondition>, if_none_match: Option<&ETagCondition>) -> Condition {
    Condition {
        absent: if_none_match.is_some_and(ETagCondition::is_any),
        etag: if_match.and_then(|it| it.as_etag()).map(|etag| etag.value().to_owned()),
    }
}

fn check_read(
    stored: &Stored,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let is = |it: &ETagCondition| it.as_etag().is_none_or(|etag| etag.value() == stored.etag);
    if if_match.is_some_and(|it| !is(it)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if if_none_match.is_some_and(is) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

fn cut(source: s3s::StdError) -> S3Error {
    S3Error::with_source(s3s::S3ErrorCode::IncompleteBody, source)
}

async fn read_body(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut content = BytesMut::new();
    if let Some(mut body) = body {
        while let Some(chunk) = body.try_next().await.map_err(cut)? {
            content.extend_from_slice(&chunk);
        }
    }
    Ok(content.freeze())
}

fn blob(content: Bytes) -> StreamingBlob {
    StreamingBlob::wrap(futures::stream::once(async move { Ok::<_, std::io::Error>(content) }))
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let stored = self.stored(&input.bucket, &input.key)?;
        check_read(&stored, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let full = stored.content.len();
        let (content, content_range) = match input.range {
            None => (stored.content, None),
            Some(range) => {
                let range = range.check(full as u64)?;
                let header = format!("bytes {}-{}/{full}", range.start, range.end.saturating_sub(1));
                let start = usize::try_from(range.start).unwrap_or(full);
                let end = usize::try_from(range.end).unwrap_or(full);
                (stored.content.slice(start..end), Some(header))
            }
        };
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(length(content.len())),
            content_range,
            accept_ranges: Some("bytes".to_owned()),
            body: Some(blob(content)),
            e_tag: Some(ETag::Strong(stored.etag)),
            last_modified: Some(Timestamp::from(stored.modified)),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let stored = self.stored(&req.input.bucket, &req.input.key)?;
        check_read(&stored, req.input.if_match.as_ref(), req.input.if_none_match.as_ref())?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(length(stored.content.len())),
            e_tag: Some(ETag::Strong(stored.etag)),
            last_modified: Some(Timestamp::from(stored.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = req.input;
        let condition = condition(input.if_match.as_ref(), input.if_none_match.as_ref());
        let content = read_body(input.body).await?;
        let etag = self.state.put(&input.bucket, &input.key, content, None, &condition).map_err(refusal)?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(etag)), ..PutObjectOutput::default() }))
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let source = self.stored(bucket, key)?;
        let none = Condition::default();
        let etag = self.state.put(&input.bucket, &input.key, source.content, None, &none).map_err(refusal)?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: Some(ETag::Strong(etag)),
                last_modified: Some(Timestamp::from(source.modified)),
                ..CopyObjectResult::default()
            }),
            ..CopyObjectOutput::default()
        }))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.state.delete(&req.input.bucket, &req.input.key).map_err(refusal)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let mut deleted = Vec::new();
        for object in req.input.delete.objects {
            self.state.delete(&req.input.bucket, &object.key).map_err(refusal)?;
            deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
        }
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), ..DeleteObjectsOutput::default() }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let objects = self.state.list(&req.input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        Ok(S3Response::new(listing::page(req.input, &objects)))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        if !self.state.has_bucket(&req.input.bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(self.region.clone()),
            ..HeadBucketOutput::default()
        }))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        if !self.state.has_bucket(&req.input.bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let upload = self.state.start_upload(&req.input.bucket).map_err(refusal)?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(req.input.bucket),
            key: Some(req.input.key),
            upload_id: Some(upload),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let content = read_body(req.input.body).await?;
        let etag = self.state.put_part(&req.input.upload_id, req.input.part_number, content).map_err(refusal)?;
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(ETag::Strong(etag)), ..UploadPartOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let parts: Vec<i32> = parts.iter().filter_map(|part| part.part_number).collect();
        let condition = condition(input.if_match.as_ref(), input.if_none_match.as_ref());
        let etag = self
            .state
            .complete_upload(&input.bucket, &input.key, &input.upload_id, &parts, &condition)
            .map_err(refusal)?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(etag)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.state.abort_upload(&req.input.upload_id);
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}
