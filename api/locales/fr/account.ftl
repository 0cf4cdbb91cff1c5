section-account = Mon compte
section-children = Mes enfants
section-services = Mes services
section-ways-in = Mes moyens de connexion
section-sessions = Où je suis connecté
section-history = Mon historique
section-data = Mes données

session-again-title = Confirmez que c’est bien vous
session-again-lead = Pour protéger votre compte, cette page demande votre mot de passe encore une fois. Vous reviendrez ensuite où vous étiez.
session-again-back = Revenir à mon compte
session-again-submit = Continuer

ways-in-title = Mes moyens de connexion
ways-in-login = Votre identifiant :
ways-in-password = Mot de passe
ways-in-password-text = Vous l’avez choisi vous-même. Personne d’autre ne le connaît, pas même l’établissement.
ways-in-password-change = Changer mon mot de passe
ways-in-password-changed = Votre mot de passe est changé. Vos autres connexions en cours ont été fermées.
ways-in-phone = Téléphone portable
ways-in-phone-text = Si vous oubliez votre identifiant ou votre mot de passe, un code est envoyé par SMS au numéro que l’établissement connaît. Ce numéro se change auprès de l’établissement.
ways-in-back = Revenir à mes moyens de connexion

sessions-lead = Voici les appareils où votre compte est ouvert en ce moment. Mettez fin à une connexion que vous n’utilisez plus, ou que vous ne reconnaissez pas.
sessions-own = L’appareil que vous utilisez en ce moment
sessions-device = { $browser } sur { $system }
sessions-device-unknown = Appareil inconnu
sessions-began = Connecté : { $when }
sessions-seen = Dernière utilisation : { $when }
sessions-services = Services :
sessions-now = à l’instant
sessions-minutes-ago = { $count ->
    [one] il y a une minute
   *[other] il y a { $count } minutes
}
sessions-hours-ago = { $count ->
    [one] il y a une heure
   *[other] il y a { $count } heures
}
sessions-end = Déconnecter « { $device } »
sessions-unknown = Vous ne reconnaissez pas un appareil ? Déconnectez-le, puis choisissez un autre mot de passe.

session-switch-title = Vous êtes déjà connecté
session-switch-present = Sur cet appareil, le compte ouvert est celui de l’identifiant
session-switch-continue = Continuer en tant que { $login }
session-switch-not-you = Ce n’est pas vous ?
session-switch-not = Vous n’êtes pas { $login } ? Changer d’utilisateur
session-switch-other = Changer d’utilisateur
session-switch-ends = Si une autre personne se connecte, { $login } est d’abord déconnecté de cet appareil et des services ouverts avec ce compte.
oidc-choose-title = Avec quel compte continuer ?
oidc-choose-text = Le service « { $service } » vous demande de choisir le compte.

ways-in-told-app-added = L’application est ajoutée. Elle vous sera demandée à chaque connexion. Gardez maintenant des codes de secours.
ways-in-told-removed = C’est retiré.
ways-in-told-too-many = Votre compte a déjà cinq seconds facteurs : retirez-en un d’abord.
ways-in-second = Deuxième étape de connexion
ways-in-second-text = Si vous le souhaitez, votre mot de passe ne suffit plus : un code de votre téléphone est demandé en plus. Qui apprendrait votre mot de passe n’entrerait pas.
ways-in-app = Application d’authentification
ways-in-passkey = Clé d’accès
ways-in-remove = Retirer
ways-in-app-add = Ajouter une application d’authentification
ways-in-codes = Codes de secours
ways-in-codes-left = { $count ->
    [0] Vous n’en avez plus. Prenez-en de nouveaux.
    [one] Il vous en reste un. Prenez-en de nouveaux.
   *[other] Il vous en reste { $count }.
}
ways-in-codes-none = Vous n’en avez pas encore. Sans eux, perdre votre téléphone vous empêcherait d’entrer.
ways-in-codes-new = Obtenir de nouveaux codes de secours

second-title = Deuxième étape
second-lead = Votre mot de passe est le bon. Votre compte demande en plus un code.
second-code = Code
second-hint = Les six chiffres de votre application d’authentification, ou l’un de vos codes de secours.
second-wrong = Ce code n’est pas le bon, ou il a déjà servi. Attendez le suivant et réessayez.
second-too-many = { $minutes ->
    [one] Trop de codes faux. Réessayez dans une minute.
   *[other] Trop de codes faux. Réessayez dans { $minutes } minutes.
}
second-lost = Vous n’avez plus ni l’application ni vos codes de secours ? Adressez-vous à l’établissement ou à l’assistance, qui vérifie qui vous êtes.
second-start-over = Revenir à la connexion

totp-title = Ajouter une application d’authentification
totp-lead = Il vous faut une application qui donne des codes à six chiffres, par exemple FreeOTP, Aegis ou celle de votre téléphone.
totp-scan = 1. Enregistrez votre compte dans l’application
totp-picture = Code QR à lire avec l’application
totp-same-phone = L’application est sur ce téléphone : l’ouvrir
totp-type = Ou tapez cette clé dans l’application :
totp-check = 2. Donnez le code qu’elle affiche
totp-code = Code à six chiffres
totp-hint = Il change toutes les trente secondes.
totp-wrong = Ce code n’est pas celui de l’application. Vérifiez l’heure de votre téléphone, et donnez le code affiché maintenant.
totp-submit = Ajouter

recovery-title = Vos codes de secours
recovery-once = Ils ne seront plus jamais affichés. Notez-les ou imprimez cette page, et gardez-les ailleurs que dans votre téléphone.
recovery-use = Chacun sert une seule fois, à la place du code de l’application. Les anciens codes ne valent plus rien.
recovery-kept = Je les ai notés

history-lead = Ce qui est arrivé à votre compte, du plus récent au plus ancien.
history-none = Il n’y a rien de plus ancien.
history-latest = Revenir au plus récent
history-older = Plus ancien
history-by-you = Par vous-même
history-by-support = Par l’assistance
history-by-school = D’après l’établissement
history-by-service = Par le service
history-by-relying-party = Par un service raccordé

data-lead = Vous pouvez emporter ce que Matricule garde de vous :
data-what-account = votre compte et vos moyens de connexion, sans aucun mot de passe ;
data-what-school = ce que les établissements ont déclaré de vous et de vos enfants ;
data-what-services = ce que chaque service reçoit, vos connexions et les consultations de votre compte ;
data-what-history = l’histoire de votre compte.
data-html = Télécharger pour lire
data-json = Télécharger pour un programme (JSON)
data-recorded = Chaque téléchargement est noté dans le journal des accès.
data-correct = Une donnée est fausse ? Elle se corrige auprès de l’établissement de l’enfant.
download-made = Fichier établi le { $moment }
download-records = Ce que déclarent les établissements
download-services = Ce que reçoivent les services
download-accesses = Connexions et consultations
