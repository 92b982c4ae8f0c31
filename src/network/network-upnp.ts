/** What a device says of itself over UPnP: its description (UPnP Device Architecture 2.0 section 2.3) and SSDP answers. */

const VALUE_CHARS_MAX = 64;

/** Kind, maker, model and serial number in one line; null when it is no description. */
export function upnpDevice(text: string): string | null {
  if (!text.includes('urn:schemas-upnp-org:device-1-0')) return null;
  const value = (element: string): string => {
    const at = text.indexOf(`<${element}>`);
    const stop = at < 0 ? -1 : text.indexOf('<', at + element.length + 2);
    return stop < 0
      ? ''
      : text.slice(at + element.length + 2, Math.min(stop, at + element.length + 2 + VALUE_CHARS_MAX));
  };
  const kind = value('deviceType').split(':').at(-2) ?? '';
  const parts = [kind, value('manufacturer'), value('modelName'), value('modelNumber'), value('serialNumber')];
  return parts.map((part) => part.replaceAll('|', ' ').trim()).join('|');
}
