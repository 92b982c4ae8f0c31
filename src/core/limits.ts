/** Every limit of the system in one table, each with its reason; reaching one is counted and shown, never silent. */

export const LIMITS = {
  /** One log record. RFC 5424 asks for 2 KiB; Windows events with script blocks reach 64 KiB; beyond is cut and marked. */
  recordBytesMax: 256 * 1024,
  /** One block of the stream: NATS JetStream's default message limit, so that a block is one message there. */
  blockBytesMax: 1024 * 1024 - 8192,
  /** Records in a block: keeps the index of an event id short and the work of one delivery bounded. */
  blockRecordsMax: 8192,
  /** One HTTP ingest request, after decompression. Shippers send batches of 1 to 10 MB. */
  ingestBodyBytesMax: 32 * 1024 * 1024,
  /** One HTTP API request that is not ingest: forms and filters are small. */
  apiBodyBytesMax: 256 * 1024,
  /** Bytes accepted and not yet on disk, over all sources; beyond it clients are told to wait. */
  inFlightBytesMax: 48 * 1024 * 1024,
  /** Open TCP connections on the syslog listeners; a hospital has some hundreds of devices. */
  syslogConnectionsMax: 2048,
  /** Fields kept of one event; the rest is in `raw`. */
  eventFieldsMax: 512,
  /** Length of one field's value. */
  fieldCharsMax: 64 * 1024,
  /** Depth of nested JSON that decoders follow. */
  jsonDepthMax: 32,
  /** A name on screen: titles, labels, host names. */
  nameCharsMax: 256,
  /** A sentence or paragraph a person writes. */
  textCharsMax: 4000,
  /** Evidence lines in one finding or alert; the rest stays in the archive. */
  evidenceMax: 50,
  /** Entities of one alert or incident. */
  entitiesMax: 64,
  /** Rows in one page of a list. */
  pageRowsMax: 500,
  /** An event time this far ahead of its receipt is a wrong clock: receipt time is used and the event is marked. */
  futureSkewMsMax: 24 * 3600 * 1000,
  /** Characters of a search query; depth of its brackets. */
  queryCharsMax: 2000,
  queryDepthMax: 32,
} as const;
