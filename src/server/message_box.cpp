#include "server/message_box.hpp"

namespace refresh_mv::message_box {

namespace {

MessageBox *own = nullptr;

void do_nothing()
{
}

int flush()
{
    return 0;
}

bool is_pending()
{
    return false;
}

// Adds a message to the box, if it has a place there.
int put(char type, const char *text, size_t length)
{
    if (own == nullptr || (type != 'N' && type != 'E')) // of notices and errors
        return 0;
    auto size = static_cast<uint32>(length);
    LWLockAcquire(&own->lock, LW_EXCLUSIVE);
    if (own->used + sizeof(size) + length <= MessageBox::capacity) {
        memcpy(own->messages + own->used, &size, sizeof(size));
        memcpy(own->messages + own->used + sizeof(size), text, length);
        own->used += sizeof(size) + size;
    } else
        own->missing++;
    LWLockRelease(&own->lock);
    SetLatch(&own->reader->procLatch);
    return 0;
}

void put_noblock(char type, const char *text, size_t length)
{
    put(type, text, length);
}

const PQcommMethods methods = {do_nothing, flush, flush, is_pending, put, put_noblock};

void stop(dsm_segment *, Datum)
{
    own = nullptr;
    whereToSendOutput = DestNone;
}

// What is in a box, as a copy; the box is empty then.
StringInfoData take_out(MessageBox *box, uint32 *missing)
{
    StringInfoData messages;
    initStringInfo(&messages);
    enlargeStringInfo(&messages, MessageBox::capacity);
    LWLockAcquire(&box->lock, LW_EXCLUSIVE);
    appendBinaryStringInfo(&messages, box->messages, static_cast<int>(box->used));
    *missing = box->missing;
    box->used = box->missing = 0;
    LWLockRelease(&box->lock);
    return messages;
}

bool is_empty(MessageBox *box)
{
    LWLockAcquire(&box->lock, LW_SHARED);
    bool empty = box->used == 0 && box->missing == 0;
    LWLockRelease(&box->lock);
    return empty;
}

// Passes on a message.  One that is no error ends nothing here, either.
void pass_on_one(const char *text, uint32 length)
{
    StringInfoData message;
    ErrorData error;
    initStringInfo(&message);
    appendBinaryStringInfo(&message, text, static_cast<int>(length));
    pq_parse_errornotice(&message, &error);
    error.elevel = Min(error.elevel, WARNING);
    ThrowErrorData(&error);
    pfree(message.data);
}

} // namespace

void init(MessageBox *box, PGPROC *reader)
{
    // No lock of its own kind: there are few of these, and none is given back.
    LWLockInitialize(&box->lock, LWTRANCHE_PARALLEL_APPEND);
    box->reader = reader;
    box->used = box->missing = 0;
}

void redirect_to(MessageBox *box, dsm_segment *segment)
{
    on_dsm_detach(segment, stop, 0);
    own = box;
    PqCommMethods = &methods;
    whereToSendOutput = DestRemote;
    FrontendProtocol = PG_PROTOCOL_LATEST;
}

void pass_on(MessageBox *box)
{
    uint32 missing;
    if (is_empty(box))
        return;
    StringInfoData messages = take_out(box, &missing);
    for (const char *at = messages.data; at < messages.data + messages.len;) {
        uint32 length;
        memcpy(&length, at, sizeof(length));
        pass_on_one(at + sizeof(length), length);
        at += sizeof(length) + length;
    }
    pfree(messages.data);
    if (missing > 0)
        ereport(WARNING, (errmsg_plural("%u message of a background worker is missing: there were too many",
                                        "%u messages of a background worker are missing: there were too many", missing,
                                        missing)));
}

} // namespace refresh_mv::message_box
