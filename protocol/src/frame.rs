//! Frames: a length, a header, a message.
//!
//! ```text
//! request   i32 length | i16 key | i16 version | i32 correlation id | client id | (tagged fields) | message
//! response  i32 length | i32 correlation id | (tagged fields) | message
//! ```
//!
//! The client id is a nullable string of the old form in every version. Headers have tagged fields where
//! the message is flexible, but for the response to ApiVersions: a client must be able to read the answer
//! to a version that the broker does not know.

use bytes::Bytes;

use crate::codec::{DecodeError, EncodeError, Reader, Writer};
use crate::messages::{ApiKey, Request, Response};

/// Bytes of the length in front of a frame; it does not count itself.
pub const LENGTH_BYTES: usize = 4;

/// The length in front of a frame is not one. What follows it cannot be read, so the connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Below zero.
    #[error("negative frame length {0}")]
    Negative(i32),
    /// Zero: there is not even a header.
    #[error("empty frame")]
    Empty,
    /// Above the limit; nothing was allocated for it.
    #[error("frame of {size} bytes, {size_max} are allowed")]
    TooLarge {
        /// What was claimed.
        size: usize,
        /// The limit.
        size_max: usize,
    },
}

/// The size of the frame at the front of `buffer`, its length not counted; `None` until that has come.
///
/// # Errors
/// Whatever is not from 1 to `size_max`.
pub fn frame_size(buffer: &[u8], size_max: usize) -> Result<Option<usize>, FrameError> {
    let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    match usize::try_from(length) {
        Err(_) => Err(FrameError::Negative(length)),
        Ok(0) => Err(FrameError::Empty),
        Ok(size) if size > size_max => Err(FrameError::TooLarge { size, size_max }),
        Ok(size) => Ok(Some(size)),
    }
}

/// Key, version and correlation id of a request: what is in the same place whatever it is.
///
/// # Errors
/// [`DecodeError::Truncated`].
pub fn peek(frame: &[u8]) -> Result<(i16, i16, i32), DecodeError> {
    let mut reader = Reader::new(frame);
    Ok((reader.i16()?, reader.i16()?, reader.i32()?))
}

/// What stands in front of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// The API, which may be one that there is no table for.
    pub api_key: i16,
    /// The version of the message, which may be one that its table does not have.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<&'a str>,
}

impl<'a> RequestHeader<'a> {
    /// Takes the header off a frame and leaves the message.
    ///
    /// Of a key that there is no table for, and of a version above the table's, nothing behind the client
    /// id is read: who knows what it looks like.
    ///
    /// # Errors
    /// Where the bytes went wrong.
    pub fn decode(reader: &mut Reader<'a>) -> Result<RequestHeader<'a>, DecodeError> {
        let header = RequestHeader {
            api_key: reader.i16()?,
            api_version: reader.i16()?,
            correlation_id: reader.i32()?,
            client_id: reader.string(false)?,
        };
        let key = ApiKey::from_code(header.api_key);
        if key.is_some_and(|key| {
            header.api_version <= *key.versions().end() && key.is_flexible(header.api_version)
        }) {
            reader.tagged_fields(|_, _| Ok(false))?;
        }
        Ok(header)
    }
}

/// A whole request, its length included.
///
/// # Errors
/// As [`Encode::encode`](crate::codec::Encode::encode).
pub fn encode_request<'a, R: Request<'a>>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.i32(0);
    writer.i16(R::KEY.code());
    writer.i16(version);
    writer.i32(correlation_id);
    writer.string(client_id, false)?;
    if R::KEY.is_flexible(version) {
        writer.uvarint(0);
    }
    request.encode(&mut writer, version)?;
    set_length(&mut writer)?;
    Ok(writer.into_bytes())
}

/// A whole response, its length included, in pieces for a vectored write. Records are not copied.
///
/// # Errors
/// As [`Encode::encode`](crate::codec::Encode::encode).
pub fn encode_response<'a, R: Response<'a>>(
    response: &R,
    version: i16,
    correlation_id: i32,
) -> Result<Vec<Bytes>, EncodeError> {
    let mut writer = Writer::new();
    writer.i32(0);
    writer.i32(correlation_id);
    if has_tagged_response_header(R::KEY, version) {
        writer.uvarint(0);
    }
    response.encode(&mut writer, version)?;
    set_length(&mut writer)?;
    Ok(writer.finish())
}

/// The correlation id and the message of a response, from its frame without the length.
///
/// # Errors
/// Where the bytes went wrong.
pub fn decode_response<'a, R: Response<'a>>(frame: &'a Bytes, version: i16) -> Result<(i32, R), DecodeError> {
    let mut reader = Reader::shared(frame);
    let correlation_id = decode_response_header(&mut reader, R::KEY, version)?;
    Ok((correlation_id, R::decode(&mut reader, version)?))
}

/// Takes the header off a response's frame, gives its correlation id and leaves the message.
///
/// # Errors
/// Where the bytes went wrong.
pub fn decode_response_header(
    reader: &mut Reader<'_>,
    key: ApiKey,
    version: i16,
) -> Result<i32, DecodeError> {
    let correlation_id = reader.i32()?;
    if has_tagged_response_header(key, version) {
        reader.tagged_fields(|_, _| Ok(false))?;
    }
    Ok(correlation_id)
}

fn has_tagged_response_header(key: ApiKey, version: i16) -> bool {
    key != ApiKey::ApiVersions && key.is_flexible(version)
}

/// Puts the length into the four bytes left for it at the front.
fn set_length(writer: &mut Writer) -> Result<(), EncodeError> {
    let length = writer.len() - LENGTH_BYTES;
    writer.set_i32(0, i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::codec::Decode;
    use crate::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
    use crate::messages::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
    use crate::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

    #[test]
    fn lengths() {
        let cases = [
            ([0, 0, 0, 1], Ok(Some(1))),
            ([0, 0, 0, 100], Ok(Some(100))),
            ([0, 0, 0, 101], Err(FrameError::TooLarge { size: 101, size_max: 100 })),
            ([0, 0, 0, 0], Err(FrameError::Empty)),
            ([0xff, 0xff, 0xff, 0xff], Err(FrameError::Negative(-1))),
            // What a TLS client says first, and a web browser.
            (*b"\x16\x03\x01\x02", Err(FrameError::TooLarge { size: 0x1603_0102, size_max: 100 })),
            (*b"GET ", Err(FrameError::TooLarge { size: 0x4745_5420, size_max: 100 })),
        ];
        for (length, size) in cases {
            assert_eq!(frame_size(&length, 100), size, "{length:?}");
        }
        assert_eq!(frame_size(&[0, 0, 0], 100), Ok(None));
    }

    #[test]
    fn request_headers() {
        let heartbeat = HeartbeatRequest { group_id: Cow::Borrowed("g"), ..Default::default() };
        let old = encode_request(&heartbeat, 0, 7, Some("me")).expect("encodes");
        assert_eq!(old[..18], *b"\0\0\0\x15\0\x0c\0\0\0\0\0\x07\0\x02me\0\x01");
        let flexible = encode_request(&heartbeat, 4, 7, None).expect("encodes");
        assert_eq!(flexible[..17], *b"\0\0\0\x14\0\x0c\0\x04\0\0\0\x07\xff\xff\0\x02g");

        for (frame, version, client_id) in [(old, 0, Some("me")), (flexible, 4, None)] {
            let mut reader = Reader::new(&frame[LENGTH_BYTES..]);
            let header = RequestHeader::decode(&mut reader).expect("decodes");
            let expected = RequestHeader { api_key: 12, api_version: version, correlation_id: 7, client_id };
            assert_eq!(header, expected);
            assert_eq!(HeartbeatRequest::decode(&mut reader, version), Ok(heartbeat.clone()));
            assert_eq!(reader.rest(), b"");
        }
    }

    #[test]
    fn of_an_unknown_version_only_the_header_is_read() {
        let mut frame =
            encode_request(&ApiVersionsRequest::default(), 5, 7, None).expect("encodes")[4..].to_vec();
        frame[3] = 99;
        frame.truncate(10);
        let header = RequestHeader::decode(&mut Reader::new(&frame)).expect("decodes");
        assert_eq!((header.api_key, header.api_version), (18, 99));
    }

    #[test]
    fn only_the_response_to_api_versions_never_has_tags_in_its_header() {
        let versions = encode_response(&ApiVersionsResponse::default(), 3, 7).expect("encodes").concat();
        assert_eq!(versions, *b"\0\0\0\x0c\0\0\0\x07\0\0\x01\0\0\0\0\0");
        let heartbeat = encode_response(&HeartbeatResponse::default(), 4, 7).expect("encodes").concat();
        assert_eq!(heartbeat, *b"\0\0\0\x0c\0\0\0\x07\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn fetched_records_are_never_copied() {
        let records = Bytes::from(vec![7; 4096]);
        let response = FetchResponse {
            responses: vec![FetchableTopicResponse {
                topic: Cow::Borrowed("t"),
                partitions: vec![PartitionData { records: records.clone().into(), ..Default::default() }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let chunks = encode_response(&response, 12, 1).expect("encodes");
        assert_eq!(chunks.len(), 3);
        assert_eq!(chunks[1].as_ptr(), records.as_ptr());

        let frame = Bytes::from(chunks.concat()).slice(LENGTH_BYTES..);
        let (id, decoded) = decode_response::<FetchResponse<'_>>(&frame, 12).expect("decodes");
        assert_eq!((id, &decoded), (1, &response));
        assert!(frame.as_ptr_range().contains(&decoded.responses[0].partitions[0].records.0[0].as_ptr()));
    }
}
