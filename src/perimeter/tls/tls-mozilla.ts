/** Mozilla's server-side TLS recommendations (guidelines version 5.7), as data. */

export interface MozillaProfile {
  readonly name: 'modern' | 'intermediate' | 'old';
  readonly versions: readonly string[];
  readonly ciphers: readonly string[];
  readonly rsaBitsMin: number;
  readonly dhBitsMin: number;
  readonly certificateDaysMax: number;
}

const TLS13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
const INTERMEDIATE = [
  ...TLS13,
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_DHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_DHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
];
const OLD = [
  ...INTERMEDIATE,
  'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA',
  'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA',
  'TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384',
  'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384',
  'TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA',
  'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA',
  'TLS_DHE_RSA_WITH_AES_128_CBC_SHA256',
  'TLS_DHE_RSA_WITH_AES_256_CBC_SHA256',
  'TLS_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_RSA_WITH_AES_128_CBC_SHA256',
  'TLS_RSA_WITH_AES_256_CBC_SHA256',
  'TLS_RSA_WITH_AES_128_CBC_SHA',
  'TLS_RSA_WITH_AES_256_CBC_SHA',
  'TLS_RSA_WITH_3DES_EDE_CBC_SHA',
];

export const MOZILLA: readonly MozillaProfile[] = [
  {
    name: 'modern',
    versions: ['TLS 1.3'],
    ciphers: TLS13,
    rsaBitsMin: 2048,
    dhBitsMin: Number.POSITIVE_INFINITY,
    certificateDaysMax: 90,
  },
  {
    name: 'intermediate',
    versions: ['TLS 1.2', 'TLS 1.3'],
    ciphers: INTERMEDIATE,
    rsaBitsMin: 2048,
    dhBitsMin: 2048,
    certificateDaysMax: 366,
  },
  {
    name: 'old',
    versions: ['TLS 1.0', 'TLS 1.1', 'TLS 1.2', 'TLS 1.3'],
    ciphers: OLD,
    rsaBitsMin: 2048,
    dhBitsMin: 1024,
    certificateDaysMax: 366,
  },
];
