/** The words that guessed passwords are built from; `common-passwords.ts` adds their variants. A table, our own collection. */

const TEXT = `
password passwort passwd passphrase motdepasse contrasena contraseña senha parola wachtwoord heslo haslo losenord kennwort
pass word letmein welcome willkommen bienvenue bienvenido benvenuto welkom admin administrator root superuser sysadmin
operator user username login logon signin guest default change changeme changeit temp temporary test tester testing
secret secure security private access master manager system server service support helpdesk office company computer
internet network database oracle cisco juniper windows linux ubuntu debian redhat microsoft google facebook twitter
instagram youtube linkedin amazon apple iphone android samsung nokia huawei sony dell lenovo toshiba intel nvidia
hospital clinic clinique klinik krankenhaus hopital ziekenhuis ospedale doctor doktor docteur nurse nursing krankenschwester
patient patients medical medicine medizin health healthcare pharmacy pharma surgery surgeon radiology cardiology
oncology pediatrics emergency ambulance icu ward station labor laboratory pacs dicom xray epic cerner siemens philips
asepsis covid corona vaccine therapy dental dentist hygiene sterile theatre reception
spring summer autumn fall winter fruhling frühling sommer herbst printemps primavera verano ete hiver invierno inverno
january february march april may june july august september october november december januar februar marz märz mai juni
juli oktober dezember janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre enero febrero
marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag sonntag
lundi mardi mercredi jeudi vendredi samedi dimanche weekend holiday christmas xmas easter halloween birthday
love iloveyou ilove loveyou lovely lover loveme mylove sweetheart sweetie sweet honey darling baby babygirl babyboy angel
princess prince queen king kiss kisses kissme heart forever family mother father mommy daddy mama papa sister brother
friend friends bestfriend boyfriend girlfriend wife husband beautiful pretty cutie sexy hottie happy smile sunshine
rainbow butterfly flower flowers rose rosebud lily daisy jasmine violet orchid cherry strawberry banana orange apple
peaches lemon mango pineapple chocolate cookie cookies candy sugar cupcake pepper ginger cinnamon vanilla coffee pizza
cheese butter chicken turkey bacon burger pancake muffin peanut popcorn whiskey vodka corona heineken budweiser guinness
monkey dragon tiger lion panther leopard cheetah eagle falcon hawk raven phoenix wolf wolves bear bears panda koala
dolphin shark whale turtle spider scorpion snake cobra viper python horse horses mustang bronco stallion pony unicorn
kitten kitty hellokitty cat cats dog dogs doggie puppy poodle bulldog rabbit bunny hamster mouse rat elephant giraffe
zebra gorilla penguin flamingo parrot chicken rooster duck froggy frog lizard dinosaur buffalo coyote jaguar cougar
shadow midnight moonlight starlight sunlight daylight thunder lightning storm blizzard hurricane tornado rain snow
winterfell ocean river mountain forest desert island beach paradise heaven hell devil demon satan angels jesus christ
jesuschrist jehovah god godisgood allah faith hope grace blessed blessing prayer church bible psalm trinity spirit
mystic magic wizard witch vampire zombie ghost ninja samurai warrior knight soldier marine army navy airforce ranger
sniper killer assassin hunter shooter gunner pirate bandit outlaw rebel legend hero champion winner victory victor
superman batman spiderman ironman wolverine deadpool hulk avengers joker robin catwoman starwars skywalker vader yoda
jedi matrix neo morpheus trinity startrek spock enterprise voyager gandalf frodo bilbo hobbit mordor potter harrypotter
hogwarts pokemon pikachu charizard naruto sasuke goku vegeta dragonball mario luigi zelda sonic minecraft fortnite
roblox warcraft starcraft counterstrike callofduty halo playstation nintendo xbox gamer gaming tetris simpson simpsons
homer bart southpark garfield snoopy scooby scoobydoo mickey mickeymouse minnie donald goofy disney bambi nemo shrek
barbie barney elmo cartman stitch tinkerbell tweety sylvester
football fussball futbol soccer baseball basketball softball volleyball handball hockey icehockey rugby cricket tennis
golf golfer boxing wrestling karate judo swimming swimmer running runner surfing surfer skating skater skateboard
snowboard skiing cycling bicycle racing racer nascar ferrari lamborghini porsche mercedes bmw audi volkswagen toyota
honda yamaha suzuki kawasaki harley davidson harleydavidson corvette camaro chevy chevrolet dodge charger challenger
jaguar mazda nissan subaru hyundai renault peugeot citroen fiat volvo skoda opel tesla
arsenal chelsea liverpool everton manchester manutd united mancity tottenham barcelona realmadrid madrid juventus milan
inter napoli roma lazio bayern dortmund borussia schalke ajax feyenoord benfica porto sporting celtic rangers galatasaray
fenerbahce besiktas marseille lyon psg ronaldo messi neymar beckham rooney maradona jordan michaeljordan kobe lebron
lakers celtics bulls knicks yankees redsox cowboys steelers packers patriots eagles giants raiders broncos redskins
dolphins vikings saints chiefs lions jets ravens panthers bengals browns chargers cardinals dodgers cubs mets phillies
braves astros orioles redwings blackhawks penguins flyers bruins canucks mapleleafs gators longhorns buckeyes wolverines
michael jennifer jessica michelle ashley amanda daniel matthew joshua andrew anthony christopher nicholas jonathan
alexander alexandra elizabeth stephanie christine christina katherine catherine kathryn victoria samantha charlotte
isabella sophia olivia emma emily hannah sarah laura julia anna maria marie martha margaret barbara patricia linda susan
karen nancy sandra donna carol sharon deborah debbie cynthia angela melissa rebecca nicole heather crystal amber brandi
brittany courtney lauren kimberly danielle natalie vanessa veronica monica jacqueline gabriel gabriela gabriella daniela
valentina camila lucia carmen rosa elena natasha tatiana svetlana olga irina ekaterina nadia fatima aisha mohamed
mohammed muhammad ahmed mustafa hassan hussein ibrahim abdullah omar yusuf ali mehmet emre david robert richard william
thomas charles joseph george edward ronald kenneth steven stephen brian kevin jason justin brandon benjamin samuel
gregory frank patrick raymond jack jackson dennis jerry tyler aaron jose carlos juan miguel luis pedro pablo diego
fernando francisco antonio manuel javier alejandro roberto ricardo eduardo sergio mario marco giovanni giuseppe
francesco alessandro andrea matteo lorenzo luca stefano pierre jean jacques francois philippe nicolas laurent olivier
sebastien guillaume camille chloe lea manon peter paul hans klaus jurgen wolfgang dieter stefan andreas markus tobias
florian sebastian maximilian felix lukas jonas leon sabine claudia susanne petra monika ursula heike katrin johan lars
erik bjorn anders henrik magnus ivan dmitri sergei vladimir alexei mikhail nikita boris adam eva jan piotr krzysztof
tomasz agnieszka katarzyna malgorzata samson hunter maggie buster bailey charlie max maximus lucky rocky rocket bandit
buddy sammy toby oscar simba bella molly coco lola ruby chloe sadie gizmo smokey tigger peanut casper harley duke bruno
london england britain scotland ireland wales paris france berlin germany deutschland munich munchen hamburg frankfurt
vienna wien austria zurich geneva switzerland schweiz amsterdam holland nederland brussels belgium rome italia italy
milano spain espana lisbon portugal greece athens istanbul turkey turkiye moscow russia ukraine poland polska prague
warsaw budapest stockholm sweden sverige norway denmark finland america usa canada toronto montreal vancouver newyork
brooklyn boston chicago detroit dallas houston texas austin phoenix arizona denver colorado california losangeles
hollywood vegas lasvegas seattle portland florida miami orlando atlanta georgia virginia carolina tennessee nashville
memphis alabama mississippi louisiana hawaii alaska mexico brasil brazil argentina colombia chile peru australia sydney
melbourne japan tokyo china beijing shanghai india bombay delhi mumbai pakistan indonesia philippines singapore
metallica nirvana slipknot linkinpark greenday blink greenday acdc ironmaiden megadeth slayer pantera korn eminem tupac
biggie snoopdogg rihanna beyonce britney shakira madonna elvis beatles rollingstones pinkfloyd queen ledzeppelin aerosmith
gunsnroses bonjovi coldplay oasis blur u2 abba mozart beethoven guitar guitarist piano drummer drums music musica trumpet
violin saxophone dancer dancing ballet singer rockstar rocknroll hiphop techno
money dollar dollars cash rich million millionaire billion lottery casino poker diamond diamonds gold golden silver
platinum crystal emerald sapphire treasure fortune bank account bitcoin crypto business marketing finance accounting
student teacher school college university library science physics chemistry biology history engineer engineering
purple yellow orange green black white blue red pink brown silver magenta turquoise indigo scarlet crimson
nothing something anything everything whatever whenever forever never always trustno1 trustnoone fuckyou fuckoff fuckme
asshole bitch bastard bullshit shithead dickhead pussy penis vagina boobs blowjob hardcore porn playboy bigdick sexsex
cocksucker motherfucker motorola logitech netgear linksys draytek fortinet sonicwall mikrotik ubiquiti zyxel dlink tplink
vpn firewall router switch wireless wifi ethernet backup storage veeam vmware citrix exchange outlook sharepoint teams
printer scanner monitor keyboard laptop desktop tablet phone mobile telephone voicemail camera printer
abc abcd abcde abcdef abcdefg abcdefgh qwe qwer qwert qwerty qwertz azerty qwertyuiop qwertzuiop asdf asdfg asdfgh
asdfghjkl zxcv zxcvb zxcvbn zxcvbnm yxcvbnm qazwsx qazwsxedc wsxedc edcrfv qweasd qweasdzxc zaq zaqwsx xsw cde
blahblah blah foobar foo bar lorem ipsum dolor nopassword mypassword thepassword yourpassword newpassword oldpassword
mypass newpass goodpass letmeinnow openup opensesame sesame abracadabra hocuspocus justdoit
hello hallo bonjour hola ciao goodbye goodmorning goodnight thankyou please sorry okay helloworld hellothere howdy
computer1 internet1 freedom liberty justice peace truth honor courage destiny dream dreams dreamer future history
infinity eternity genesis exodus revelation apocalypse nemesis chaos cosmos galaxy universe planet earth venus mercury
jupiter saturn neptune pluto uranus apollo zeus athena hercules achilles odyssey olympus titan atlas poseidon hades
einstein newton darwin galileo leonardo michelangelo raphael donatello picasso shakespeare hamlet romeo juliet
creative genius awesome amazing fantastic excellent perfect special super power powerful strong ultimate extreme maximum
supreme infinity classic original natural digital virtual cyber hacker cracker phreak elite leet zerocool
garden kitchen bedroom window house home mansion castle tower bridge highway airplane airport pilot captain sailor
submarine titanic railway train engine motor bicycle motorcycle tractor trucker truck
scooter skippy snickers sparky speedy spanky stinky smokey snowball snowman softail sooners sparkle
booboo boomer booger bubba bubbles buttercup butthead button cheyenne chester chopper cooper cricket dakota dallas dexter
diesel fender fireball firebird fisher fishing flipper frankie freddy freedom friday gemini gibson godzilla hammer
hardcore helpme hotdog hotrod houston jasper johnny kelly lakers maddog magnum maverick marlboro merlin mercedes
midnight molly murphy nascar nicole ninja packers panties parker peaches phantom pookie porsche rabbit rangers rebecca
redneck redskins samson scooby scorpio sierra slayer snoopy spanky squirt startrek stella sunny tarheels taylor tigers
trouble tucker viking walter warrior winston wizard xavier yankees yellow zxcvbnm
`;

export const COMMON_WORDS: ReadonlySet<string> = new Set(TEXT.split(/\s+/).filter((word) => word.length >= 2));
