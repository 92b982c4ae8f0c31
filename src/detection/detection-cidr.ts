/** Addresses and networks, under the name that this room has used for them since its first rule. */

export { type Cidr, inCidr, parseAddress, parseCidr } from '../core/index.ts';
