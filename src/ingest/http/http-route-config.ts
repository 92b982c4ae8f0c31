/** What every ingest route declares. */

/** Its own decompression, because it is bounded; no compression, because answers are short and some clients misread it. */
export const INGEST_ROUTE = { config: { access: 'ingest' }, compress: false, decompress: false } as const;
