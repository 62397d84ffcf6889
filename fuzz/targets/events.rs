//! A stream of events from a rendezvous server, in pieces of which the first byte gives the size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manyhands_peer::fuzzing::{Event, EventReader, TooLong};

const MAX_DATA_BYTES: usize = 32 * 1024;
const MAX_ID_BYTES: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, stream)) = bytes.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(whole, read(stream, usize::from(*piece).max(1)), "the pieces make no difference");
    for event in whole.0 {
        // What is no UTF-8 becomes replacement characters, of three bytes each.
        assert!(event.data.len() <= 3 * MAX_DATA_BYTES && event.id.len() <= MAX_ID_BYTES);
        assert!(event.id.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(!event.data.contains('\r'));
    }
});

fn read(stream: &[u8], piece: usize) -> (Vec<Event>, Option<TooLong>) {
    let (mut reader, mut events) = (EventReader::default(), Vec::new());
    for mut bytes in stream.chunks(piece) {
        loop {
            match reader.next(&mut bytes) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
        assert!(bytes.is_empty(), "everything is used up");
    }
    (events, None)
}
