/** Model families of routers and access points, by the words that they put into pages, realms, server headers and names. */

export interface Family {
  readonly name: string;
  readonly class: 'consumer' | 'professional';
}

const FAMILIES: readonly (readonly [RegExp, string, Family['class']])[] = [
  [/fritz!?[. ]?box/i, 'AVM FRITZ!Box', 'consumer'],
  [/\bTP-?LINK\b|\bArcher [AC]\w{1,6}|\bTL-(?:WR|WA|MR)\d/i, 'TP-Link', 'consumer'],
  [/\bNETGEAR\b|\bNighthawk\b|\bOrbi\b/i, 'Netgear', 'consumer'],
  [/\bD-Link\b|\bDIR-\d{3}|\bDSL-\d{4}/i, 'D-Link', 'consumer'],
  [/\bLinksys\b|\bWRT\d{2,4}|\bVelop\b/i, 'Linksys', 'consumer'],
  [/\bRT-A[CX]\d{2}|\bASUS(?:Router| Wireless)|\bZenWiFi\b/i, 'ASUS', 'consumer'],
  [/\bTenda\b/i, 'Tenda', 'consumer'],
  [/\bMercusys\b/i, 'Mercusys', 'consumer'],
  [/\bSpeedport\b/i, 'Telekom Speedport', 'consumer'],
  [/\bEasyBox\b/i, 'Vodafone EasyBox', 'consumer'],
  [/\bLivebox\b/i, 'Orange Livebox', 'consumer'],
  [/\bFreebox\b/i, 'Freebox', 'consumer'],
  [/\bSuper ?Hub\b|\bHub [345]\b/i, 'Virgin Media Hub', 'consumer'],
  [/\bBT ?(?:Home|Smart) ?Hub/i, 'BT Hub', 'consumer'],
  [/\bMi ?WiFi\b|\bminiwifi\b|\bXiaoQiang\b/i, 'Xiaomi', 'consumer'],
  [/\bAirStation\b|\bBUFFALO\b/, 'Buffalo', 'consumer'],
  [/\bHG\d{3,4}\w?\b|\bEchoLife\b/, 'Huawei home gateway', 'consumer'],
  [/\bZXHN\b/, 'ZTE home gateway', 'consumer'],
  [/\bDD-WRT\b/i, 'DD-WRT', 'consumer'],
  [/\bOpenWrt\b|\bLuCI\b/, 'OpenWrt', 'consumer'],
  [/\bTomato\b.{0,12}\b(?:firmware|router)/i, 'Tomato', 'consumer'],
  [/\bRouterOS\b|\bMikroTik\b/i, 'MikroTik RouterOS', 'professional'],
  [/\bcisco-IOS\b|\bCisco (?:IOS|Adaptive|ASA)/i, 'Cisco IOS', 'professional'],
  [/\bFortiGate\b|\bFortinet\b/i, 'Fortinet', 'professional'],
  [/\bpfSense\b|\bOPNsense\b/i, 'pfSense or OPNsense', 'professional'],
  [/\bLANCOM\b/, 'LANCOM', 'professional'],
  [/\bArubaOS\b|\bAruba(?:Networks| Networks| Instant)/i, 'Aruba', 'professional'],
  [/\bJunos\b|\bJuniper\b/i, 'Juniper', 'professional'],
  [/\bMeraki\b/i, 'Cisco Meraki', 'professional'],
  [/\bSonicWALL\b/i, 'SonicWall', 'professional'],
  [/\bPAN-OS\b|\bGlobalProtect\b/, 'Palo Alto Networks', 'professional'],
  [/\bVyOS\b/, 'VyOS', 'professional'],
  [/\bRuckus\b/i, 'Ruckus', 'professional'],
];

export function deviceFamily(text: string): Family | null {
  const short = text.slice(0, 400);
  const found = FAMILIES.find(([words]) => words.test(short));
  return found ? { name: found[1], class: found[2] } : null;
}

/** The class of a family by the name that `deviceFamily` gave it. */
export const familyClass = (name: string): Family['class'] | null =>
  FAMILIES.find(([, known]) => known === name)?.[2] ?? null;
