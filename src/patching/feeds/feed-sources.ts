/** The public addresses of feeds, each as one entry; the configuration replaces or adds to them. */

type FeedKind = 'file' | 'osv' | 'csaf' | 'msrc' | 'nvd';

export interface FeedSource {
  readonly id: string;
  readonly kind: FeedKind;
  readonly url: string;
}

const osv = (ecosystem: string): FeedSource => ({
  id: `osv-${ecosystem.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`,
  kind: 'osv',
  url: `https://osv-vulnerabilities.storage.googleapis.com/${encodeURIComponent(ecosystem)}/`,
});

/** What most hospitals have; NVD and whole CVE lists are large and have to be asked for in the configuration. */
export const PUBLIC_FEEDS: readonly FeedSource[] = [
  {
    id: 'kev',
    kind: 'file',
    url: 'https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json',
  },
  { id: 'epss', kind: 'file', url: 'https://epss.empiricalsecurity.com/epss_scores-current.csv.gz' },
  { id: 'debian', kind: 'file', url: 'https://security-tracker.debian.org/tracker/data/json' },
  osv('Ubuntu'),
  osv('Alpine'),
  osv('Rocky Linux'),
  osv('AlmaLinux'),
  osv('Red Hat'),
  osv('PyPI'),
  osv('npm'),
  osv('Maven'),
  osv('NuGet'),
  { id: 'microsoft', kind: 'msrc', url: 'https://api.msrc.microsoft.com/cvrf/v3.0/' },
  {
    id: 'cisa-medical',
    kind: 'csaf',
    url: 'https://raw.githubusercontent.com/cisagov/CSAF/develop/csaf_files/OT/white/?only=icsma',
  },
  { id: 'end-of-life', kind: 'file', url: 'https://endoflife.date/api/v1/products/full' },
];
